"""Requests as a till makes them: one short call each, with a key of its own where none is given."""

import itertools
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict
from uuid import UUID

import msgspec

from ledger.amounts import Points
from ledger.identity import ContactId, DefinitionId, TenantId
from ledger.requests import (
    Activate,
    Adjust,
    Cancel,
    Capture,
    Close,
    Earn,
    Extend,
    Hold,
    Move,
    Redeem,
    Release,
    Return,
    Reverses,
)
from tests.bookkeeping.words import term, when

Instant = datetime | str | None


class Common(TypedDict):
    """The fields of every request."""

    tenant: TenantId
    contact: ContactId
    definition: DefinitionId
    idempotency_key: str
    fingerprint: bytes
    source: str
    effective_at: datetime | None
    description: str | None


@dataclass(slots=True)
class Till:
    """Makes the requests of one tenant about one definition."""

    tenant: TenantId
    definition: DefinitionId
    name: str = "till"
    receipts: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def common(
        self, contact: ContactId, key: str | None, on: Instant, description: str | None = None
    ) -> Common:
        """Fields of every request; the key stands for the content."""
        key = key or f"{self.name} {next(self.receipts)}"
        return {
            "tenant": self.tenant,
            "contact": contact,
            "definition": self.definition,
            "idempotency_key": key,
            "fingerprint": key.encode(),
            "source": "pos",
            "effective_at": when(on) if isinstance(on, str) else on,
            "description": description,
        }

    def earn(
        self,
        contact: ContactId,
        lot: int | str,
        *,
        key: str | None = None,
        on: Instant = None,
        description: str | None = None,
    ) -> Earn:
        """Points such as `100 from 1 February until 1 March`; without `until` they never lapse."""
        amount, valid_from, valid_to = term(str(lot))
        return Earn(
            **self.common(contact, key, on, description),
            amount=Points(amount),
            valid_from=valid_from,
            valid_to=valid_to,
        )

    def earn_by_policy(
        self,
        contact: ContactId,
        amount: int,
        *,
        key: str | None = None,
        on: Instant = None,
        valid_from: str | None = None,
    ) -> Earn:
        """Points whose end the policy says."""
        return Earn(
            **self.common(contact, key, on),
            amount=Points(amount),
            valid_from=None if valid_from is None else when(valid_from),
            valid_to=msgspec.UNSET,
        )

    def redeem(
        self,
        contact: ContactId,
        amount: int,
        *,
        key: str | None = None,
        on: Instant = None,
        allow_debt: bool = False,
    ) -> Redeem:
        """Points spent."""
        return Redeem(**self.common(contact, key, on), amount=Points(amount), allow_debt=allow_debt)

    def adjust(
        self, contact: ContactId, amount: int, *, key: str | None = None, on: Instant = None
    ) -> Adjust:
        """A correction of either sign."""
        return Adjust(**self.common(contact, key, on), amount=Points(amount))

    def give_back(
        self,
        contact: ContactId,
        amount: int | None = None,
        *,
        of: str | UUID,
        key: str | None = None,
        on: Instant = None,
        part: int | None = None,
        whole: int | None = None,
    ) -> Return:
        """A return of what was earned under a key, or by the transaction of an id."""
        return Return(
            **self.common(contact, key, on),
            reverses=named(of),
            amount=None if amount is None else Points(amount),
            part=part,
            whole=whole,
        )

    def cancel(
        self,
        contact: ContactId,
        amount: int | None = None,
        *,
        of: str | UUID,
        on: Instant = None,
    ) -> Cancel:
        """A redemption or capture undone."""
        points = None if amount is None else Points(amount)
        return Cancel(**self.common(contact, None, on), reverses=named(of), amount=points)

    def hold(
        self,
        contact: ContactId,
        amount: int,
        *,
        key: str | None = None,
        on: Instant = None,
        until: str | None = None,
    ) -> Hold:
        """Points set aside."""
        expires_at = None if until is None else when(until)
        common = self.common(contact, key, on)
        return Hold(**common, amount=Points(amount), hold_expires_at=expires_at)

    def capture(
        self,
        contact: ContactId,
        amount: int | None = None,
        *,
        of: str | UUID,
        on: Instant = None,
    ) -> Capture:
        """Held points spent."""
        points = None if amount is None else Points(amount)
        return Capture(**self.common(contact, None, on), hold=named(of), amount=points)

    def release(self, contact: ContactId, *, of: str | UUID, on: Instant = None) -> Release:
        """A hold given up."""
        return Release(**self.common(contact, None, on), hold=named(of))

    def move(
        self,
        contact: ContactId,
        amount: int | None = None,
        *,
        to: ContactId,
        into: DefinitionId | None = None,
        on: Instant = None,
    ) -> Move:
        """Points passed on; everything where no amount is said."""
        return Move(
            **self.common(contact, None, on),
            to_contact=to,
            to_definition=into or self.definition,
            amount=None if amount is None else Points(amount),
        )

    def activate(self, contact: ContactId, *, of: str | UUID, on: Instant = None) -> Activate:
        """Pending points released early."""
        return Activate(**self.common(contact, None, on), lots_of=named(of))

    def extend(
        self,
        contact: ContactId,
        *,
        of: str | UUID,
        start: str | None = None,
        end: str | None = None,
        on: Instant = None,
    ) -> Extend:
        """A new term for points, `never` for one without end; what is not said stays."""
        ends = msgspec.UNSET if end is None else None if end == "never" else when(end)
        return Extend(
            **self.common(contact, None, on),
            lots_of=named(of),
            valid_from=msgspec.UNSET if start is None else when(start),
            valid_to=ends,
        )

    def close(self, contact: ContactId) -> Close:
        """An account closed for good."""
        return Close(**self.common(contact, None, None))


def named(of: str | UUID) -> Reverses:
    """A transaction, named by its key or by its id."""
    return Reverses(transaction_id=of) if isinstance(of, UUID) else Reverses(None, of)

"""The books on paper for several contacts and definitions: the real rules, with no database.

It is what `ledger.posting` does around a `Book`, less the storing: everybody stays loaded with
every lot ever issued. Answers are read as the service reads them, from the chain of facts.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from datetime import datetime
from uuid import UUID, uuid5

from ledger.asof import AccountAsOf, as_of
from ledger.book import Book
from ledger.chain import GENESIS
from ledger.facts import Balance, Transaction
from ledger.identity import ContactId, DefinitionId, HolderId
from ledger.kinds import LedgerAccount
from ledger.outcomes import Booked, Code, Outcome, Refused, Replayed
from ledger.policies import Definition
from ledger.requests import Request
from ledger.state import HolderState
from tests.bookkeeping.paper import SPACE, TENANT, hold_sound
from tests.simulation.account import NEVER, Place, StandingLot

EMPTY = Balance(*[0] * 4)  # type: ignore[arg-type] # plain zeros are points too


def identifiers() -> Iterator[UUID]:
    """Identifiers that are the same in every run, from a source that can be copied."""
    return map(UUID, map("00000000-0000-4000-9000-{:012x}".format, itertools.count(1)))


class Sheet:
    """The books of one tenant, kept in memory."""

    def __init__(
        self, contacts: Iterable[ContactId], definitions: Sequence[Definition], now: datetime
    ) -> None:
        self.holders = {contact: HolderId(uuid5(SPACE, str(contact))) for contact in contacts}
        self.book = Book(
            holders={
                (TENANT, contact): HolderState(holder, 0, GENESIS, None, 0, b"salt")
                for contact, holder in self.holders.items()
            },
            definitions={one.id: one for one in definitions},
            known={},
            originals={},
            places={},
            now=now,
            ids=identifiers(),
        )
        self._chains: dict[HolderId, list[Transaction]] = defaultdict(list)
        self._sorted = 0

    def post(
        self, requests: Sequence[Request], now: datetime, *, atomic: bool = False
    ) -> list[Outcome]:
        """Post a batch at an instant; an atomic one with a refusal in it leaves no trace."""
        self.book.now = now
        before = deepcopy(self.book) if atomic else None
        written = len(self.book.entries)
        outcomes = self.book.post_all(requests)
        hold_sound(self.book.entries[written:])
        if before is None or not any(isinstance(outcome, Refused) for outcome in outcomes):
            return outcomes
        undone = {
            (one.transaction.holder, one.transaction.number) for one in self.book.entries[written:]
        }
        self.book = before
        refused = Refused(Code.BATCH_NOT_BOOKED, "another was refused")
        return [
            refused
            if isinstance(one, Booked)
            or (isinstance(one, Replayed) and (one.holder, one.number) in undone)
            else one
            for one in outcomes
        ]

    def sweep(self, now: datetime) -> None:
        """Book all that has fallen due."""
        self.book.now = now
        for holder in self.book.holders.values():
            for definition in list(holder.accounts):
                self.book.book_due(holder, definition)

    def close_period(self, boundary: datetime, now: datetime) -> None:
        """Close the books up to a boundary."""
        self.sweep(now)
        self.book.closed_until = {TENANT: boundary}

    def chain(self, contact: ContactId) -> list[Transaction]:
        """All that was booked for a contact, in order."""
        for entry in self.book.entries[self._sorted :]:
            self._chains[entry.transaction.holder].append(entry.transaction)
        self._sorted = len(self.book.entries)
        return self._chains[self.holders[contact]]

    def settled(self, now: datetime) -> datetime:
        """The instant at which all that was posted at `now` is recorded: some microseconds on."""
        last = (holder.last_recorded_at or now for holder in self.book.holders.values())
        return max(now, *last)

    def account(self, place: Place, effective: datetime, recorded: datetime) -> AccountAsOf | None:
        """An account as of an instant of either axis."""
        found = as_of(self.chain(place[0]), effective, recorded)
        return next((one for one in found if one.definition == place[1]), None)

    def read(self, place: Place, effective: datetime, recorded: datetime) -> Balance:
        """The buckets as of an instant of either axis."""
        found = self.account(place, effective, recorded)
        return EMPTY if found is None else found.balance

    def lots(self, place: Place, effective: datetime, recorded: datetime) -> list[StandingLot]:
        """What remains in lots, as of an instant of either axis."""
        found = self.account(place, effective, recorded)
        return [] if found is None else standing(found)

    def program(self, account: LedgerAccount, definition: DefinitionId, contact: ContactId) -> int:
        """What one contact's booked transfers come to on a program account: credits less debits."""
        transfers = [
            one
            for told in self.chain(contact)
            if told.definition == definition
            for one in told.transfers
        ]
        return sum(one.amount for one in transfers if one.credit is account) - sum(
            one.amount for one in transfers if one.debit is account
        )


def standing(account: AccountAsOf) -> list[StandingLot]:
    """Lots with points remaining, in the model's terms."""
    return sorted(
        StandingLot(
            one.pending + one.available,
            one.pending > 0,
            one.lot.effective_at,
            one.lot.valid_from,
            one.lot.valid_to or NEVER,
        )
        for one in account.lots
        if one.pending + one.available
    )

"""What a caller asks the books to record: one struct a kind, checked for form but not yet decided.

The one hard idea: `fingerprint` is made of what the client sent, before any default was filled in,
so that the same words are the same request for ever, whatever the policies have become since.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from ledger.amounts import Points
from ledger.identity import ContactId, DefinitionId, TenantId

TEXT_LENGTH_MAX = 500
"""Characters of a description, reference or actor."""

SOURCE_LENGTH_MAX = 50
"""Characters of a source."""

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far a caller's clock may be from the books', either way."""


class Reverses(msgspec.Struct, frozen=True, gc=False):
    """The transaction that a return or a cancellation takes back: by its id or by its key."""

    transaction_id: UUID | None = None
    idempotency_key: str | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every request carries.

    Attributes:
        fingerprint: 16 bytes that stand for the content as the client sent it.
        effective_at: When it happened, aware; `None` for now.
        source: Where it comes from, such as `pos`; no personal text.
        strict: Refuse what happened in a closed period, instead of booking it in the open one.
        description, reference, actor: May name a person, hence erasable.
    """

    tenant: TenantId
    contact: ContactId
    definition: DefinitionId
    idempotency_key: str
    fingerprint: bytes
    source: str
    effective_at: datetime | None = None
    description: str | None = None
    reference: str | None = None
    actor: str | None = None
    strict: bool = False


class Earn(Request, frozen=True, kw_only=True):
    """Points for a purchase or anything else worth them.

    Attributes:
        amount: Above zero, in minor units.
        valid_from: Pending until then; `None` for at once.
        valid_to: The first instant they are no longer valid. Left unset, the policy says; `None`
            is never.
    """

    amount: Points
    valid_from: datetime | None = None
    valid_to: datetime | msgspec.UnsetType | None = msgspec.UNSET


class Redeem(Request, frozen=True, kw_only=True):
    """Points spent.

    Attributes:
        amount: Above zero, in minor units.
        allow_debt: Book what is short as debt, for tills that were offline.
    """

    amount: Points
    allow_debt: bool = False


class Return(Request, frozen=True, kw_only=True):
    """A purchase taken back, in whole or in part, and its points with it.

    Attributes:
        reverses: The earn.
        amount: Points to take back; without it and without `part`, all that is left of the earn.
        part: How much of the original spend came back, in 1/10,000 of the currency, with `whole`,
            the original spend: the books then work out the points, rounding over all returns.
    """

    reverses: Reverses
    amount: Points | None = None
    part: int | None = None
    whole: int | None = None

    def __post_init__(self) -> None:
        _check_share(self.amount, self.part, self.whole)


class Adjust(Request, frozen=True, kw_only=True):
    """A correction, up or down; never zero."""

    amount: Points


class Hold(Request, frozen=True, kw_only=True):
    """Points set aside for a checkout that is under way.

    Attributes:
        amount: Above zero, in minor units.
        hold_expires_at: When the hold times out by itself; `None` for never.
    """

    amount: Points
    hold_expires_at: datetime | None = None


class Capture(Request, frozen=True, kw_only=True):
    """A hold's points spent, in full or in part; the rest is released.

    Attributes:
        hold: The transaction that placed it.
        amount: Points to spend, above zero; `None` for all that is held.
    """

    hold: Reverses
    amount: Points | None = None


class Release(Request, frozen=True, kw_only=True):
    """A hold given up: its points go back to the lots they came from."""

    hold: Reverses


class Cancel(Request, frozen=True, kw_only=True):
    """A redemption undone, in whole or in part: points go back to the lots they came from.

    Attributes:
        reverses: The redemption, or the capture.
        amount, part, whole: As in a `Return`.
    """

    reverses: Reverses
    amount: Points | None = None
    part: int | None = None
    whole: int | None = None

    def __post_init__(self) -> None:
        _check_share(self.amount, self.part, self.whole)


class Move(Request, frozen=True, kw_only=True):
    """Points passed on: to another contact, to another definition, or both.

    Attributes:
        amount: Above zero, in minor units; `None` passes on everything, pending and debt included.
        to_contact, to_definition: Where to; at least one differs from where from.
    """

    to_contact: ContactId
    to_definition: DefinitionId
    amount: Points | None = None


class Activate(Request, frozen=True, kw_only=True):
    """Pending points released early."""

    lots_of: Reverses


class Extend(Request, frozen=True, kw_only=True):
    """A new term for points that have not lapsed.

    Attributes:
        lots_of: The transaction that issued them.
        valid_from: For pending points, when they become valid; left unset, as before.
        valid_to: When they lapse, later than before; `None` for never; left unset, as before.
    """

    lots_of: Reverses
    valid_from: datetime | msgspec.UnsetType = msgspec.UNSET
    valid_to: datetime | msgspec.UnsetType | None = msgspec.UNSET


class Close(Request, frozen=True, kw_only=True):
    """An account closed for good: what is left lapses or is paid out, what is owed is let go."""


class Open(Request, frozen=True, kw_only=True):
    """An opening balance from a program's earlier books; one lot, or what is owed.

    Attributes:
        amount: In minor units, negative for debt; never zero.
        valid_from, valid_to: As in an `Earn`.
    """

    amount: Points
    valid_from: datetime | None = None
    valid_to: datetime | msgspec.UnsetType | None = msgspec.UNSET


def _check_share(amount: int | None, part: int | None, whole: int | None) -> None:
    """Hold whoever makes a request to what the doors hold their callers to."""
    if (part is None) != (whole is None):
        raise ValueError("part and whole go together")
    if part is not None and amount is not None:
        raise ValueError("amount and part say the same twice")
    if min(1 if one is None else one for one in (amount, part, whole)) < 1:
        raise ValueError("amount, part and whole must be above zero")


def refers_to(request: Request) -> Reverses | None:
    """The transaction that a request is about, where it is about one."""
    match request:
        case Earn() | Redeem():
            return None
        case Return() | Cancel():
            return request.reverses
        case Capture() | Release():
            return request.hold
        case Activate() | Extend():
            return request.lots_of
        case _:
            return None


def needs_lots(request: Request) -> bool:
    """Whether deciding a request needs to know the account's lots and holds."""
    if isinstance(request, Earn):
        return False
    return not isinstance(request, Adjust | Open) or request.amount < 0

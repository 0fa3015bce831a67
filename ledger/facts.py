"""The facts of the books: what is written once and never changed.

The one hard idea: every fact of a transaction hangs on one transfer list. A transfer moves an
amount from its debit side to its credit side; its allocations say which lots those points belong
to. What a lot or a bucket holds is the sum of these and nothing else (`ledger.state` folds them).

The structs here and in `ledger.state` are left out of garbage collection: they never refer in a
circle, and a busy service holds so many that looking through them cost a quarter of its time.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from ledger.amounts import Points
from ledger.identity import DefinitionId, HolderId
from ledger.kinds import Kind, LedgerAccount


class Allocation(NamedTuple):
    """How much of a transfer is points of one lot."""

    lot: int
    amount: Points


def total(parts: Iterable[Allocation]) -> Points:
    """What allocations come to together."""
    return Points(sum(part.amount for part in parts))


class Transfer(NamedTuple):
    """One movement of a positive amount from `debit` to `credit`.

    Attributes:
        line: Its place in the transaction, from 1.
        amount: Above zero, in minor units.
        effective_at: When it happened; a due transfer's is its boundary.
        allocations: Which lots the points belong to; empty where only debt or new lots are touched.
    """

    line: int
    debit: LedgerAccount
    credit: LedgerAccount
    amount: Points
    effective_at: datetime
    allocations: tuple[Allocation, ...] = ()


class Origin(NamedTuple):
    """The lot that moved points came from."""

    holder: HolderId
    lot: int


class LotIssue(NamedTuple):
    """Points issued together by one transfer of this transaction.

    Attributes:
        lot: The lot's number, counted per holder from 1.
        line: The transfer that issued it.
        valid_from: First instant the points can be spent.
        valid_to: First instant they no longer can; `None` for never.
    """

    lot: int
    line: int
    amount: Points
    effective_at: datetime
    valid_from: datetime
    valid_to: datetime | None
    origin: Origin | None = None


class Term(NamedTuple):
    """A later change of a lot's validity; the first is in its `LotIssue`."""

    lot: int
    term: int
    valid_from: datetime
    valid_to: datetime | None


class Balance(NamedTuple):
    """What an account holds, by bucket, in minor units; none is ever negative."""

    available: Points
    pending: Points
    held: Points
    debt: Points

    @property
    def net(self) -> Points:
        """What the holder's points are worth together: what is owed counts against the rest."""
        return Points(self.available + self.pending + self.held - self.debt)


class Texts(msgspec.Struct, frozen=True, gc=False):
    """What may name a person: erasable, and in the chain only as a salted hash."""

    idempotency_key: str | None = None
    description: str | None = None
    reference: str | None = None
    actor: str | None = None


class Transaction(msgspec.Struct, frozen=True, gc=False):
    """What happened once in the world, to one point account.

    Attributes:
        number: Counted per holder from 1, without gaps.
        amount: As asked, in minor units, signed as its kind reads: what an earn adds is positive,
            what a redemption takes is positive too; negative are only adjustments down, and the
            move of a whole account that owes more than it has.
        effective_at: When it happened, as the books count it.
        recorded_at: When the books learned of it; strictly increasing per holder.
        occurred_at: The true time, where `effective_at` had to be the start of an open period.
        reverses: The transaction that this one takes back or is about; of a capture, release or
            time-out, the hold.
        linked: The other half of a move.
        hold_expires_at: Of a hold, when it times out by itself.
        part: Of a return, how much of the original spend came back, in 1/10,000 of the currency.
        whole: Of a return, the original spend, in the same unit.
        after: The account's buckets after it, for answers that can be repeated.
    """

    holder: HolderId
    number: int
    id: UUID
    definition: DefinitionId
    kind: Kind
    amount: Points
    effective_at: datetime
    recorded_at: datetime
    occurred_at: datetime | None
    source: str
    reverses: UUID | None
    linked: UUID | None
    hold_expires_at: datetime | None
    part: int | None
    whole: int | None
    texts: Texts
    transfers: tuple[Transfer, ...]
    lots: tuple[LotIssue, ...]
    terms: tuple[Term, ...]
    after: Balance

    @property
    def net(self) -> Points:
        """What the transaction did to the holder's points."""
        return net_of(self.transfers)


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """A transaction with the hashes stored beside it.

    Attributes:
        strays: Stored columns that repeat something of the transaction for the sake of queries,
            and say something else; empty in books that are right.
    """

    transaction: Transaction
    texts_hash: bytes
    hash: bytes
    strays: tuple[str, ...] = ()


def net_of(transfers: Iterable[Transfer]) -> Points:
    """What transfers do to a holder's points: only those with the program's side count."""
    net = 0
    for transfer in transfers:
        if not transfer.debit.is_bucket:
            net += transfer.amount
        elif not transfer.credit.is_bucket:
            net -= transfer.amount
    return Points(net)


def active_net_of(transfers: Iterable[Transfer]) -> Points:
    """The same for what is not pending: points count once they can be spent."""
    active = {LedgerAccount.AVAILABLE, LedgerAccount.HELD, LedgerAccount.DEBT}
    net = 0
    for transfer in transfers:
        net += transfer.amount * ((transfer.credit in active) - (transfer.debit in active))
    return Points(net)

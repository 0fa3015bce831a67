"""Balances and lots as of any instant on both time axes.

The one hard idea: what the books knew at `recorded_at` is the fold of the transactions recorded by
then. What stood at `effective_at` is the sum of their transfers up to that instant, plus what falls
due by then on the lots and holds so known. So an answer about the past never changes, and one about
the future ("how many points will still be there on 1 March?") is what will be true if nothing
more happens.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from ledger.amounts import Points
from ledger.due import due_drafts
from ledger.facts import Balance, LotIssue, Transaction, Transfer
from ledger.folding import fold
from ledger.identity import DefinitionId
from ledger.kinds import Kind, LedgerAccount
from ledger.state import AccountState, LotState


@dataclass(frozen=True, slots=True)
class LotAsOf:
    """A lot as it stood at an instant.

    Attributes:
        pending, available, held: Where its points stood.
        lapsed: What of it had expired by then.
        spent: What had left it otherwise.
    """

    lot: LotState
    pending: Points
    available: Points
    held: Points
    lapsed: Points
    spent: Points


class Due(NamedTuple):
    """A due transaction that was not booked."""

    kind: Kind
    effective_at: datetime
    transfers: tuple[Transfer, ...]


@dataclass(frozen=True, slots=True)
class AccountAsOf:
    """An account as it stood at `effective_at`, as far as the books knew at `recorded_at`.

    No `recorded_at` means as far as they know now.

    Attributes:
        due: What had fallen due by then and was not booked; it is in balance and lots.
    """

    definition: DefinitionId
    balance: Balance
    lots: tuple[LotAsOf, ...]
    effective_at: datetime
    recorded_at: datetime | None
    due: tuple[Due, ...] = ()


def as_of(
    chain: Iterable[Transaction], effective_at: datetime, recorded_at: datetime | None
) -> list[AccountAsOf]:
    """A holder's accounts at an instant of either axis, from its chain of transactions.

    With no `recorded_at` all that the chain tells counts.
    """
    found = []
    for known in _known(chain, recorded_at):
        due = _due(known.account, effective_at)
        moved = [*known.transfers, *(transfer for one in due for transfer in one.transfers)]
        by_then = [transfer for transfer in moved if transfer.effective_at <= effective_at]
        lots = _lots(known.account, known.issues, by_then, effective_at)
        definition, balance = known.account.definition, _balance(by_then)
        found.append(AccountAsOf(definition, balance, lots, effective_at, recorded_at, due))
    return found


def due_as_of(
    chain: Iterable[Transaction], effective_at: datetime, recorded_at: datetime
) -> list[tuple[AccountState, list[Transfer]]]:
    """What fell due on a holder's accounts by one instant and was not booked by another.

    Each account comes as it is once that is booked.
    """
    found = []
    for known in _known(chain, recorded_at):
        due = _due(known.account, effective_at)
        found.append((known.account, [transfer for one in due for transfer in one.transfers]))
    return found


def _due(account: AccountState, effective_at: datetime) -> tuple[Due, ...]:
    return tuple(
        Due(kind, at, tuple(draft.transfers))
        for kind, at, draft in due_drafts(account, effective_at)
    )


@dataclass(slots=True)
class _Known:
    """What the books knew of an account at an instant of record."""

    account: AccountState
    transfers: list[Transfer] = field(default_factory=list)
    issues: list[LotIssue] = field(default_factory=list)


def _known(chain: Iterable[Transaction], recorded_at: datetime | None) -> list[_Known]:
    known: dict[DefinitionId, _Known] = {}
    for told in chain:
        if recorded_at is not None and told.recorded_at > recorded_at:
            break
        one = known.setdefault(told.definition, _Known(AccountState(told.definition)))
        fold(one.account, told)
        one.transfers += told.transfers
        one.issues += told.lots
    return [one for _, one in sorted(known.items())]


def _balance(transfers: Iterable[Transfer]) -> Balance:
    account = AccountState(DefinitionId(0))
    for transfer in transfers:
        account.apply(transfer._replace(allocations=()))
    return account.balance


def _lots(
    account: AccountState,
    issues: Iterable[LotIssue],
    transfers: Iterable[Transfer],
    effective_at: datetime,
) -> tuple[LotAsOf, ...]:
    """Where the points of each lot issued by then stood after these transfers."""
    standing: dict[tuple[int, LedgerAccount], int] = defaultdict(int)
    for transfer in transfers:
        for lot, amount in transfer.allocations:
            standing[lot, transfer.debit] -= amount
            standing[lot, transfer.credit] += amount
    found = []
    for issue in issues:
        if issue.effective_at > effective_at:
            continue
        is_pending = issue.valid_from > issue.effective_at
        first = LedgerAccount.PENDING if is_pending else LedgerAccount.AVAILABLE
        standing[issue.lot, first] += issue.amount
        pending, available, held, lapsed = (
            Points(standing[issue.lot, bucket])
            for bucket in (
                LedgerAccount.PENDING,
                LedgerAccount.AVAILABLE,
                LedgerAccount.HELD,
                LedgerAccount.EXPIRED,
            )
        )
        spent = Points(issue.amount - pending - available - held - lapsed)
        found.append(LotAsOf(account.lots[issue.lot], pending, available, held, lapsed, spent))
    return tuple(found)

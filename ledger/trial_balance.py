"""The trial balance: every ledger account of a definition, and whether the two sides agree.

The one hard idea: the holders' side is summed from the stored buckets and the program's side from
its own roll-ups, which batches append and nothing else writes. The two never meet before they are
compared here, so a difference of zero is a finding, not a tautology.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from ledger.connection import Connection
from ledger.draft import Draft
from ledger.due import book_due
from ledger.identity import DefinitionId, TenantId
from ledger.kinds import BUCKETS, PROGRAM_ACCOUNTS, LedgerAccount
from ledger.loading import account_from, lot_from
from ledger.state import AccountState
from ledger.tenants import Catalogue


@dataclass(frozen=True, slots=True)
class TrialLine:
    """A ledger account's balance, on the side where it stands; the other is zero."""

    account: LedgerAccount
    debit: int
    credit: int


@dataclass(frozen=True, slots=True)
class DefinitionTrial:
    """The trial balance of one definition, in its minor units.

    Attributes:
        holders_side: What all holders have together, debt counted against the rest.
        program_side: What the program's own accounts say that must be.
        difference: Zero in books that are right.
    """

    definition: DefinitionId
    lines: tuple[TrialLine, ...]
    holders_side: int
    program_side: int

    @property
    def difference(self) -> int:
        """What the sides differ by."""
        return self.holders_side - self.program_side


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """The trial balances of a tenant's definitions at one instant."""

    at: datetime
    definitions: tuple[DefinitionTrial, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether every definition's sides agree."""
        return all(trial.difference == 0 for trial in self.definitions)


HOLDERS_SIDE = """
    select definition_id, coalesce(sum(available), 0)::bigint as available,
           coalesce(sum(pending), 0)::bigint as pending, coalesce(sum(held), 0)::bigint as held,
           coalesce(sum(debt), 0)::bigint as debt
    from ledger.account where definition_id = any($1::smallint[]) group by definition_id
"""

PROGRAM_SIDE = """
    select definition_id, account, sum(amount)::bigint as amount
    from ledger.rollup where definition_id = any($1::smallint[]) and account >= 11
    group by definition_id, account
"""

DUE = """
    -- Accounts with something due, and their lots. Index: account_next_due_at_idx, lot_pk.
    select account.holder_id, account.definition_id, account.available, account.pending,
           account.held, account.debt, account.debt_since, account.last_effective_at,
           account.next_due_at, lot.lot, lot.number, lot.issued, lot.remaining, lot.lapsed,
           lot.active, lot.effective_at, lot.valid_from, lot.valid_to, lot.term
    from ledger.account join ledger.lot using (holder_id, definition_id)
    where account.next_due_at <= $2 and account.definition_id = any($1::smallint[])
      and lot.remaining > 0
    order by account.holder_id, account.definition_id
"""


async def trial_balance(
    connection: Connection, catalogue: Catalogue, tenant: TenantId, *, at: datetime | None = None
) -> TrialBalance:
    """A tenant's trial balance now, due transfers counted as if they were booked.

    `at` replaces the database's clock. Not to be called inside a transaction: it opens one of its
    own, to see both sides at one instant.
    """
    definitions = [one.id for one in catalogue.definitions_of(tenant)]
    balances: dict[tuple[DefinitionId, LedgerAccount], int] = defaultdict(int)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        now = at or await connection.fetchval("select clock_timestamp()")
        for row in await connection.fetch(HOLDERS_SIDE, definitions):
            for bucket in BUCKETS:
                sign = -1 if bucket is LedgerAccount.DEBT else 1
                balances[row["definition_id"], bucket] = sign * row[bucket.word]
        for row in await connection.fetch(PROGRAM_SIDE, definitions):
            balances[row["definition_id"], LedgerAccount(row["account"])] = row["amount"]
        await _add_due(connection, definitions, now, balances)
    return TrialBalance(now, tuple(_trial(one, balances) for one in definitions))


async def _add_due(
    connection: Connection,
    definitions: list[DefinitionId],
    now: datetime,
    balances: dict[tuple[DefinitionId, LedgerAccount], int],
) -> None:
    account: AccountState | None = None
    holder = None
    async for row in connection.cursor(DUE, definitions, now):
        if account is None or (holder, account.definition) != (
            row["holder_id"],
            row["definition_id"],
        ):
            _book_into(account, now, balances)
            account, holder = account_from(row), row["holder_id"]
        account.lots[row["lot"]] = lot_from(row)
    _book_into(account, now, balances)


def _book_into(
    account: AccountState | None,
    now: datetime,
    balances: dict[tuple[DefinitionId, LedgerAccount], int],
) -> None:
    if account is None:
        return
    draft = Draft(account, 0, 0)
    book_due(account, now, lambda _kind, _at: draft)
    for transfer in draft.transfers:
        balances[account.definition, transfer.debit] -= transfer.amount
        balances[account.definition, transfer.credit] += transfer.amount


def _trial(
    definition: DefinitionId, balances: dict[tuple[DefinitionId, LedgerAccount], int]
) -> DefinitionTrial:
    lines = []
    for account in (*BUCKETS, *PROGRAM_ACCOUNTS):
        balance = balances.get((definition, account), 0)
        lines.append(TrialLine(account, max(0, -balance), max(0, balance)))
    holders_side = sum(balances.get((definition, bucket), 0) for bucket in BUCKETS)
    program_side = -sum(balances.get((definition, one), 0) for one in PROGRAM_ACCOUNTS)
    return DefinitionTrial(definition, tuple(lines), holders_side, program_side)

"""The trial balance: every ledger account of a definition, and whether the two sides agree.

The one hard idea: the holders' side is summed from the stored buckets and the program's side from
its own roll-ups, which batches append and nothing else writes. The two never meet before they are
compared here, so a difference of zero is a finding, not a tautology.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from ledger.connection import Connection
from ledger.due_reading import ACCOUNT_AND_DUE, due_accounts_from, due_drafts
from ledger.identity import DefinitionId, TenantId
from ledger.kinds import BUCKETS, PROGRAM_ACCOUNTS, LedgerAccount
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

DUE = (
    "-- Accounts with something due, and their lots. Index: account_next_due_at_idx, lot_pk.\n"
    + ACCOUNT_AND_DUE.format(accounts="ledger.account", at="$2")
    + """
    where account.next_due_at <= instant.now and account.definition_id = any($1::smallint[])
    order by account.holder_id, account.definition_id
"""
)


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
    rows: list[asyncpg.Record] = []
    async for row in connection.cursor(DUE, definitions, now):
        if rows and (rows[0]["holder_id"], rows[0]["definition_id"]) != (
            row["holder_id"],
            row["definition_id"],
        ):
            _book_into(rows, balances)
            rows = []
        rows.append(row)
    _book_into(rows, balances)


def _book_into(
    rows: list[asyncpg.Record], balances: dict[tuple[DefinitionId, LedgerAccount], int]
) -> None:
    """Count what is due on one account as if it were booked."""
    for _, account, now in due_accounts_from(rows):
        for _, _, draft in due_drafts(account, now):
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

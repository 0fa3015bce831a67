"""The trial balance: every ledger account of a definition, and whether the two sides agree.

The one hard idea: the holders' side is summed from the stored buckets and the program's side from
its own roll-ups, which batches append and nothing else writes. The two never meet before they are
compared here, so a difference of zero is a finding, not a tautology.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ledger.connection import Connection
from ledger.identity import DefinitionId, TenantId
from ledger.kinds import BUCKETS, PROGRAM_ACCOUNTS, LedgerAccount
from ledger.periods import settled_now
from ledger.reading_as_of import FutureRecordError
from ledger.tenants import Catalogue
from ledger.unbooked import unbooked

Balances = dict[tuple[DefinitionId, LedgerAccount], int]
"""Credits less debits of ledger accounts."""

_EVER: Final = datetime.max.replace(tzinfo=UTC)


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

    def credit(self, account: LedgerAccount) -> int:
        """What stands on the credit side of a ledger account; below zero for the debit side."""
        return next(line.credit - line.debit for line in self.lines if line.account is account)


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """The trial balances of a tenant's definitions at one instant.

    Attributes:
        at: The instant of effect.
        recorded_at: As the books knew it then; `None` for as they know it now.
    """

    at: datetime
    recorded_at: datetime | None
    definitions: tuple[DefinitionTrial, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether every definition's sides agree."""
        return all(trial.difference == 0 for trial in self.definitions)


# Each bucket fits a 64-bit integer, but the sum over all holders need not: sums stay `numeric`.

HOLDERS_SIDE = """
    select definition_id, sum(available) as available, sum(pending) as pending, sum(held) as held,
           sum(debt) as debt
    from ledger.account where definition_id = any($1::smallint[]) group by definition_id
"""

PROGRAM_SIDE = """
    select definition_id, account, sum(amount) as amount
    from ledger.rollup where definition_id = any($1::smallint[]) and account >= 11
    group by definition_id, account
"""

WALK_BACK = """
    -- From the stored buckets to what they were: less all that was ever rolled up, plus everything
    -- that took effect and was recorded by these instants. The program's side is only the latter.
    -- Whole hours come from the roll-ups, which are read once, from one end to the other: nearly
    -- all count. The two hours that are cut come from the transfers themselves.
    -- Index: transfer_effective_at_idx, transfer_recorded_at_idx.
    with cut as (
        select definition_id, debit, credit, amount from ledger.transfer
        where definition_id = any($1::smallint[])
          and effective_at >= date_trunc('hour', $2::timestamptz, 'UTC') and effective_at <= $2
          and recorded_at <= $3
        union all
        select definition_id, debit, credit, amount from ledger.transfer
        where definition_id = any($1::smallint[])
          and recorded_at >= date_trunc('hour', $3::timestamptz, 'UTC') and recorded_at <= $3
          and effective_at < date_trunc('hour', $2::timestamptz, 'UTC')
    ), rolled_up as materialized (
        select definition_id, account, sum(amount) as total, sum(amount) filter (
            where effective_hour < date_trunc('hour', $2::timestamptz, 'UTC')
              and recorded_hour < date_trunc('hour', $3::timestamptz, 'UTC')
        ) as by_then
        from ledger.rollup group by definition_id, account
    )
    select definition_id, account, sum(amount) as amount from (
        select definition_id, account,
               coalesce(by_then, 0) - case when account < 11 then total else 0 end as amount
        from rolled_up where definition_id = any($1::smallint[])
        union all
        select definition_id, credit, amount from cut
        union all
        select definition_id, debit, -amount from cut
    ) as movement
    group by definition_id, account
"""


async def trial_balance(
    connection: Connection,
    catalogue: Catalogue,
    tenant: TenantId,
    *,
    effective_at: datetime | None = None,
    recorded_at: datetime | None = None,
    at: datetime | None = None,
) -> TrialBalance:
    """A tenant's trial balance, due transfers counted as if they were booked.

    As of now, or of any instant on either axis. `at` replaces the database's clock. Not to be
    called inside a transaction: it opens one of its own, to see both sides at one instant.

    Raises `FutureRecordError` for a `recorded_at` that is still to come.
    """
    if recorded_at is not None:
        settled_at = at or await settled_now(connection)
        if recorded_at > settled_at:
            raise FutureRecordError("recordedAt must not be in the future")
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        now = at or await connection.fetchval("select clock_timestamp()")
        instant = effective_at or now
        return await trial_balance_within(connection, catalogue, tenant, instant, recorded_at, now)


async def trial_balance_within(
    connection: Connection,
    catalogue: Catalogue,
    tenant: TenantId,
    effective_at: datetime,
    recorded_at: datetime | None,
    now: datetime,
) -> TrialBalance:
    """The same inside a transaction of one snapshot, begun once `recorded_at` was settled."""
    definitions = [one.id for one in catalogue.definitions_of(tenant)]
    if recorded_at is None and effective_at >= now:
        balances = await _stored(connection, definitions)
    else:
        balances = await _walked_back(connection, definitions, effective_at, recorded_at)
    async for due in unbooked(connection, definitions, effective_at, recorded_at):
        for transfer in due.transfers:
            balances[due.account.definition, transfer.debit] -= transfer.amount
            balances[due.account.definition, transfer.credit] += transfer.amount
    trials = tuple(_trial(one, balances) for one in definitions)
    return TrialBalance(effective_at, recorded_at, trials)


async def _stored(connection: Connection, definitions: list[DefinitionId]) -> Balances:
    """Both sides as they stand: buckets from the accounts, the program from its roll-ups."""
    balances = await _buckets(connection, definitions)
    for row in await connection.fetch(PROGRAM_SIDE, definitions):
        balances[row["definition_id"], LedgerAccount(row["account"])] = int(row["amount"])
    return balances


async def _buckets(connection: Connection, definitions: list[DefinitionId]) -> Balances:
    balances: Balances = defaultdict(int)
    for row in await connection.fetch(HOLDERS_SIDE, definitions):
        for bucket in BUCKETS:
            sign = -1 if bucket is LedgerAccount.DEBT else 1
            balances[row["definition_id"], bucket] = sign * int(row[bucket.word])
    return balances


async def _walked_back(
    connection: Connection,
    definitions: list[DefinitionId],
    effective_at: datetime,
    recorded_at: datetime | None,
) -> Balances:
    """Both sides as of earlier instants: the stored buckets less all that came after."""
    balances = await _buckets(connection, definitions)
    rows = await connection.fetch(WALK_BACK, definitions, effective_at, recorded_at or _EVER)
    for row in rows:
        balances[row["definition_id"], LedgerAccount(row["account"])] += int(row["amount"])
    return balances


def _trial(definition: DefinitionId, balances: Balances) -> DefinitionTrial:
    lines = []
    for account in (*BUCKETS, *PROGRAM_ACCOUNTS):
        balance = balances.get((definition, account), 0)
        lines.append(TrialLine(account, max(0, -balance), max(0, balance)))
    holders_side = sum(balances.get((definition, bucket), 0) for bucket in BUCKETS)
    program_side = -sum(balances.get((definition, one), 0) for one in PROGRAM_ACCOUNTS)
    return DefinitionTrial(definition, tuple(lines), holders_side, program_side)

"""The trial balance: every ledger account of a definition, and whether the two sides agree.

The one hard idea: the holders' side is summed from the stored buckets and the program's side from
its own roll-ups, which batches append and nothing else writes. The two never meet before they are
compared here, so a difference of zero is a finding, not a tautology.

As of an earlier instant, both sides are what had moved them by then. What the stored buckets hold
now beyond all that ever moved them is the same for every instant, so the holders' side carries it
into the past: a balance that was tampered with is a difference at any instant that is asked about.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg

from ledger.connection import Connection
from ledger.identity import DefinitionId, TenantId
from ledger.kinds import BUCKETS, PROGRAM_ACCOUNTS, LedgerAccount
from ledger.periods import settled_now
from ledger.reading_as_of import FutureRecordError
from ledger.roll_ups import STORED, TOTALS, rolled_until, surplus_of
from ledger.tenants import Catalogue
from ledger.unbooked import unbooked

Balances = dict[tuple[DefinitionId, LedgerAccount], int]
"""Credits less debits of ledger accounts."""

_EVER: Final = datetime.max.replace(tzinfo=UTC)
_BEFORE_ALL: Final = datetime(1, 1, 1, tzinfo=UTC)


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


HOLDERS_SIDE: Final = STORED.format(which="definition_id = any($1::smallint[])")

PROGRAM_SIDE: Final = TOTALS.format(
    which="definition_id = any($1::smallint[]) and account >= 11", since="$2"
)

MOVED_BY_THEN = """
    -- What had moved each ledger account by an instant of effect and one of record: the days that
    -- lie wholly before both, the hours that are left of the two days that are cut, and the
    -- transfers of the two hours that are cut.
    -- $2 and $3 are the instants, $4 and $5 their hours, $6 the day of effect; up to $7, the day of
    -- record at the latest, days were rolled up. $8 are all accounts.
    -- Index: transfer_effective_at_idx, transfer_recorded_at_idx, rollup_recorded_hour_idx,
    -- rollup_definition_id_account_effective_hour_recorded_hour_idx.
    with cut as (
        select definition_id, debit, credit, amount from ledger.transfer
        where definition_id = any($1::smallint[])
          and effective_at >= $4 and effective_at <= $2 and recorded_at <= $3
        union all
        select definition_id, debit, credit, amount from ledger.transfer
        where definition_id = any($1) and recorded_at >= $5 and recorded_at <= $3
          and effective_at < $4
    ), movement as (
        select definition_id, account, amount from ledger.rollup_day
        where definition_id = any($1) and effective_day < $6 and recorded_day < $7
        union all
        select definition_id, account, amount from ledger.rollup
        where definition_id = any($1) and account = any($8::smallint[])
          and effective_hour >= $6 and effective_hour < $4 and recorded_hour < $5
        union all
        select definition_id, account, amount from ledger.rollup
        where definition_id = any($1) and recorded_hour >= $7 and recorded_hour < $5
          and effective_hour < $6
        union all
        select definition_id, credit, amount from cut
        union all
        select definition_id, debit, -amount from cut
    )
    select definition_id, account, sum(amount) as amount from movement
    group by definition_id, account
"""


# How much there is between two instants can't be guessed without knowing them.
BY_VALUE: Final = "set local plan_cache_mode = force_custom_plan"


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
        known = recorded_at or _EVER
        balances = await _as_of(connection, definitions, effective_at, known, now)
    async for due in unbooked(connection, definitions, effective_at, recorded_at):
        for transfer in due.transfers:
            balances[due.account.definition, transfer.debit] -= transfer.amount
            balances[due.account.definition, transfer.credit] += transfer.amount
    trials = tuple(_trial(one, balances) for one in definitions)
    return TrialBalance(effective_at, recorded_at, trials)


async def _stored(connection: Connection, definitions: list[DefinitionId]) -> Balances:
    """Both sides as they stand: buckets from the accounts, the program from its roll-ups."""
    since = await rolled_until(connection) or _BEFORE_ALL
    balances = _of_rows(await connection.fetch(HOLDERS_SIDE, definitions))
    balances.update(_of_rows(await connection.fetch(PROGRAM_SIDE, definitions, since)))
    return balances


async def _as_of(
    connection: Connection,
    definitions: list[DefinitionId],
    effective_at: datetime,
    recorded_at: datetime,
    now: datetime,
) -> Balances:
    """Both sides as of earlier instants.

    The program's is what had moved it by then. The holders' is that too, and what their accounts
    hold now beyond all that ever moved them: nothing, in books that are right.
    """
    await connection.execute(BY_VALUE)
    effective_hour, recorded_hour = _hour_of(effective_at), _hour_of(recorded_at)
    effective_day, recorded_day = effective_hour.replace(hour=0), recorded_hour.replace(hour=0)
    rows = await connection.fetch(
        MOVED_BY_THEN,
        definitions,
        effective_at,
        recorded_at,
        effective_hour,
        recorded_hour,
        effective_day,
        min(await rolled_until(connection) or _BEFORE_ALL, recorded_day),
        list(LedgerAccount),
    )
    balances = _of_rows(rows)
    for (definition, bucket), amount in (await surplus_of(connection, definitions, now)).items():
        balances[definition, LedgerAccount(bucket)] += amount
    return balances


def _of_rows(rows: Iterable[asyncpg.Record]) -> Balances:
    balances: Balances = defaultdict(int)
    for row in rows:
        balances[row["definition_id"], LedgerAccount(row["account"])] = int(row["amount"])
    return balances


def _hour_of(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _trial(definition: DefinitionId, balances: Balances) -> DefinitionTrial:
    lines = []
    for account in (*BUCKETS, *PROGRAM_ACCOUNTS):
        balance = balances.get((definition, account), 0)
        lines.append(TrialLine(account, max(0, -balance), max(0, balance)))
    holders_side = sum(balances.get((definition, bucket), 0) for bucket in BUCKETS)
    program_side = -sum(balances.get((definition, one), 0) for one in PROGRAM_ACCOUNTS)
    return DefinitionTrial(definition, tuple(lines), holders_side, program_side)

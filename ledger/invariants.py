"""What always holds, checked: one place that serves tests, `pointmaster verify` and the metrics.

The one hard idea: holder by holder, `ledger.holder_checks` looks at chains and what they come to;
what spans holders (the trial balance, the roll-ups, the keys, the guards of the facts) is asked of
the database here, in a few set-based statements. The numbers of the rules are those of
`docs/books.md`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from uuid import UUID

from ledger import kinds
from ledger.auditing import Finding
from ledger.connection import Connection
from ledger.holder_checks import check_holders
from ledger.identity import TenantId
from ledger.kinds import LedgerAccount
from ledger.tenants import Catalogue
from ledger.trial_balance import trial_balance

__all__ = ["FACTS", "FINDINGS_MAX", "Finding", "check", "check_holders", "check_whole"]

Check = Callable[[Connection], Awaitable[list[Finding]]]

FINDINGS_MAX = 1_000
"""After so many findings a check stops: the books are wrong, a longer list helps nobody."""

KEY_SHARES_MAX = 4
"""Each share of the keys looks at all of them: no index knows whose they are."""

FACTS = (
    "transaction",
    "transfer",
    "allocation",
    "term",
    "idempotency",
    "definition_policy",
    "period",
    "seal",
)

KEYS_ASTRAY = """
    -- Keys that point to no transaction, or to one booked under another (where its key was not
    -- erased), of holders from one id to another. Materialized, so that the limit does not make one
    -- search of each key.
    with astray as materialized (
        select idempotency.holder_id, idempotency.number, transaction.id is null as is_lost
        from ledger.idempotency
        left join (
            select * from ledger.transaction where holder_id between $1 and $2
        ) as transaction using (holder_id, number)
        left join ledger.holder on holder.id = idempotency.holder_id
            and holder.id between $1 and $2
        where idempotency.holder_id between $1 and $2
          and (transaction.id is null
              or transaction.idempotency_key is not null and idempotency.key_hash <> encode(
                  substring(sha256(
                      convert_to(holder.tenant_id::text, 'UTF8') || '\\x00'::bytea
                      || convert_to(transaction.idempotency_key, 'UTF8')
                  ) for 16), 'hex')::uuid)
    )
    select * from astray limit 100
"""

HOLDERS_LOST = """
    -- Holders of whom there are transactions, but no row.
    select distinct transaction.holder_id from ledger.transaction
    left join ledger.holder on holder.id = transaction.holder_id
    where holder.id is null limit 100
"""

KEYED_AND_KEPT = """
    select (select count(*) from ledger.idempotency) as kept,
           (select count(*) from ledger.transaction where kind < 14) as keyed
"""

ROLLED_UP = """
    -- Roll-ups against the transfers they roll up, account by account.
    with rolled_up as (
        select definition_id, account, sum(amount) as amount from ledger.rollup group by 1, 2
    ), transferred as (
        select definition_id, account, sum(amount) as amount from (
            select definition_id, debit as account, -amount as amount from ledger.transfer
            union all
            select definition_id, credit, amount from ledger.transfer
        ) as sides group by 1, 2
    )
    select definition_id, account, coalesce(rolled_up.amount, 0) as rolled_up,
           coalesce(transferred.amount, 0) as transferred
    from rolled_up full join transferred using (definition_id, account)
    order by definition_id, account
"""

BUCKETS = """
    select definition_id, sum(available) as available, sum(pending) as pending, sum(held) as held,
           -sum(debt) as debt
    from ledger.account group by definition_id
"""

DAYS_ASTRAY = """
    -- Days that are not what their hours make.
    with hours as (
        select date_trunc('day', recorded_hour, 'UTC') as recorded_day, definition_id, account,
               date_trunc('day', effective_hour, 'UTC') as effective_day, sum(amount) as amount
        from ledger.rollup
        where recorded_hour < (
            select max(recorded_day) + interval '24 hours' from ledger.rollup_day
        )
        group by 1, 2, 3, 4
    )
    select definition_id, account, recorded_day, effective_day, rollup_day.amount as by_day,
           hours.amount as by_hour
    from hours full join ledger.rollup_day
        using (recorded_day, definition_id, account, effective_day)
    where hours.amount is distinct from rollup_day.amount
    order by recorded_day, definition_id, account, effective_day limit 100
"""

RECOUNTED = """
    select definition_id, account, counted_at, stored, rolled_up
    from ledger.recount where stored <> rolled_up order by definition_id, account
"""

GUARDS = """
    -- Which tables of facts lack a trigger that refuses changes, or grant more than they should.
    select table_name,
           (select count(*) from pg_trigger
            where tgrelid = ('ledger.' || quote_ident(table_name))::regclass
              and not tgisinternal and tgenabled in ('O', 'A')) as triggers,
           has_table_privilege('ledger.' || quote_ident(table_name), 'DELETE') as may_delete
    from unnest($1::text[]) as table_name
"""


async def check(
    connection: Connection,
    catalogue: Catalogue,
    *,
    tenant: TenantId | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """Check everything; an empty list means the books are right.

    `progress` is told how many transactions are audited, of how many. At most `FINDINGS_MAX`
    findings. Not to be called inside a transaction.
    """
    findings: list[Finding] = []
    async for found in check_holders(connection, tenant=tenant, progress=progress):
        findings.append(found)
        if len(findings) == FINDINGS_MAX:
            return findings
    return findings + await check_whole(connection, catalogue)


async def check_whole(
    connection: Connection, catalogue: Catalogue, *, beside: Sequence[Connection] = ()
) -> list[Finding]:
    """Check what spans holders: both sides of the books, the roll-ups, the keys, the guards.

    `beside` are more connections of one's own, to check several things at the same time; each is
    checked in one snapshot. Not to be called inside a transaction.
    """
    connections = [connection, *beside]
    key_shares = min(len(connections), KEY_SHARES_MAX)
    checks: list[Check] = [
        partial(_check_sides, catalogue=catalogue),
        _check_rollups,
        _check_days,
        _check_holders_lost,
        *(partial(_check_keys, first=first, last=last) for first, last in _shares(key_shares)),
        _check_key_counts,
        _check_guards,
    ]
    waiting = iter(enumerate(checks))
    found: dict[int, list[Finding]] = {}

    async def work(own: Connection) -> None:
        for place, check in waiting:
            async with own.transaction(isolation="repeatable_read", readonly=True):
                found[place] = await check(own)

    ended = await asyncio.gather(*map(work, connections), return_exceptions=True)
    for problem in ended:
        if problem is not None:
            raise problem
    return [finding for place in sorted(found) for finding in found[place]]


def _shares(count: int) -> Iterator[tuple[UUID, UUID]]:
    """All ids, in so many parts."""
    size = 2**128 // count
    for share in range(count):
        is_last = share == count - 1
        yield UUID(int=share * size), UUID(int=2**128 - 1 if is_last else (share + 1) * size - 1)


async def _check_sides(connection: Connection, catalogue: Catalogue) -> list[Finding]:
    return [
        Finding(
            1,
            f"tenant {record.name}, definition {catalogue.definitions[one.definition].engage_id}",
            f"holders have {one.holders_side}, the program says {one.program_side}",
        )
        for record in catalogue.tenants.values()
        for one in (await trial_balance(connection, catalogue, record.id)).definitions
        if one.difference
    ]


async def _check_rollups(connection: Connection) -> list[Finding]:
    rolled_up: dict[tuple[int, int], int] = {}
    findings = []
    for row in await connection.fetch(ROLLED_UP):
        number = row["account"]
        rolled_up[row["definition_id"], number] = int(row["rolled_up"])
        if row["rolled_up"] != row["transferred"]:
            findings.append(
                Finding(
                    1,
                    _place(row["definition_id"], number),
                    f"roll-ups make {row['rolled_up']}, transfers {row['transferred']}",
                )
            )
    wrong = set()
    for row in await connection.fetch(BUCKETS):
        for bucket in kinds.BUCKETS:
            rolled = rolled_up.get((row["definition_id"], bucket), 0)
            if rolled != row[bucket.word]:
                wrong.add((row["definition_id"], bucket))
                findings.append(
                    Finding(
                        1,
                        _place(row["definition_id"], bucket),
                        f"accounts hold {row[bucket.word]}, roll-ups make {rolled}",
                    )
                )
    return findings + [
        Finding(
            1,
            _place(row["definition_id"], row["account"]),
            f"accounts held {row['stored']} when they were counted at {row['counted_at']}, "
            f"roll-ups made {row['rolled_up']}; they agree now, and the next count will say so",
            is_warning=True,
        )
        for row in await connection.fetch(RECOUNTED)
        if (row["definition_id"], row["account"]) not in wrong
    ]


async def _check_days(connection: Connection) -> list[Finding]:
    return [
        Finding(
            1,
            f"{_place(row['definition_id'], row['account'])}, recorded on "
            f"{row['recorded_day']:%Y-%m-%d}, effective on {row['effective_day']:%Y-%m-%d}",
            f"roll-ups by day make {row['by_day'] or 0}, those by hour {row['by_hour'] or 0}",
        )
        for row in await connection.fetch(DAYS_ASTRAY)
    ]


def _place(definition: int, number: int) -> str:
    named = LedgerAccount(number).word if number in set(LedgerAccount) else f"account {number}"
    return f"definition {definition}, {named}"


async def _check_holders_lost(connection: Connection) -> list[Finding]:
    return [
        Finding(9, f"holder {row['holder_id']}", "is missing, but there are transactions of it")
        for row in await connection.fetch(HOLDERS_LOST)
    ]


async def _check_keys(connection: Connection, first: UUID, last: UUID) -> list[Finding]:
    # One search of each key would take as long as all else together.
    await connection.execute("set local enable_nestloop = off")
    return [
        Finding(
            5,
            f"holder {row['holder_id']}, transaction {row['number']}",
            "is missing, but its idempotency key is kept"
            if row["is_lost"]
            else "was booked under another idempotency key than the one that points to it",
        )
        for row in await connection.fetch(KEYS_ASTRAY, first, last)
    ]


async def _check_key_counts(connection: Connection) -> list[Finding]:
    counts = await connection.fetchrow(KEYED_AND_KEPT)
    if counts is None or counts["kept"] == counts["keyed"]:
        return []
    return [
        Finding(
            5,
            "idempotency",
            f"{counts['kept']} keys are kept for {counts['keyed']} keyed transactions",
        )
    ]


async def _check_guards(connection: Connection) -> list[Finding]:
    findings = []
    for row in await connection.fetch(GUARDS, list(FACTS)):
        if row["triggers"] < 2:
            findings.append(
                Finding(2, f"table {row['table_name']}", "has lost a trigger that refuses changes")
            )
        if row["may_delete"]:
            findings.append(
                Finding(
                    2,
                    f"table {row['table_name']}",
                    "may be deleted from by this very role: give the service a role of its own",
                    is_warning=True,
                )
            )
    return findings

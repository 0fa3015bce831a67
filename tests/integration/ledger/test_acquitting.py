"""Who is acquitted by the database alone: everybody whose case is plain, and nobody whom the audit
of their facts would find anything wrong with, whatever was changed.
"""

from uuid import UUID

import asyncpg
import pytest

from ledger.acquitting import CHUNK_BY_CHUNK, NOT_ACQUITTED, not_acquitted
from ledger.amounts import Points
from ledger.auditing import Finding
from ledger.connection import Connection
from ledger.holder_checks import (
    NOBODY,
    TRANSACTIONS_TO_AUDIT,
    _audit_suspects,
    _Chunk,
)
from ledger.identity import HolderId
from ledger.requests import Activate, Cancel, Capture, Extend, Hold, Move, Release, Reverses
from tests.bookkeeping.desk import Desk, member
from tests.bookkeeping.words import when

FOR_EVER = when("31 December 9999 23:59:59")
"""How many say never; so far away, a microsecond is little."""

EVERYBODY = HolderId(UUID(int=2**128 - 1))
ONE, TWO, INDEBTED, RECEIVING = (member(number) for number in range(1001, 1005))

# Each table with the column by which the holder is known, and what says which row.
TABLES = {
    "holder": ("id", ()),
    "account": ("holder_id", ("definition_id",)),
    "transaction": ("holder_id", ("number",)),
    "transfer": ("holder_id", ("number", "line")),
    "lot": ("holder_id", ("lot",)),
    "term": ("holder_id", ("lot", "term")),
    "hold": ("holder_id", ("number",)),
    "allocation": ("holder_id", ("number", "line", "place")),
}

OTHERWISE = {
    "bigint": "coalesce({0}, 0) + 1",
    "integer": "coalesce({0}, 0) + 1",
    "smallint": "coalesce({0}, 0) + 1",
    "boolean": "not {0}",
    "timestamp with time zone": "coalesce({0}, '2026-01-01Z') + interval '1 microsecond'",
    "uuid": "gen_random_uuid()",
    "text": "coalesce({0}, '') || 'x'",
    "bytea": "coalesce({0}, '') || '\\x01'",
}
"""Another value of each type."""


@pytest.fixture
async def kept(desk: Desk) -> Desk:
    """Books with every kind of thing that can be plain, and a debt."""
    till = desk.till
    desk.today("1 January")
    await desk.book(
        till.earn(ONE, "100 until 1 March", key="purchase", description="Two coffees"),
        till.earn(ONE, "50 from 15 January until 1 June", key="later"),
        till.earn(ONE, "40 from 1 February", key="much later"),
        till.redeem(ONE, 30, key="voucher"),
        till.earn(TWO, 10),
        till.redeem(INDEBTED, 5, allow_debt=True),
    )
    for name, expires in (("a", None), ("b", None), ("c", "3 January"), ("d", "1 December")):
        ends = None if expires is None else when(expires)
        held = Hold(**till.common(ONE, name, None), amount=Points(5), hold_expires_at=ends)
        await desk.book(held)
    desk.today("5 January")
    await desk.book(
        Capture(**till.common(ONE, None, None), hold=Reverses(None, "a"), amount=Points(3)),
        Release(**till.common(ONE, None, None), hold=Reverses(None, "b")),
        till.give_back(ONE, 20, of="purchase"),
        Cancel(**till.common(ONE, None, None), reverses=Reverses(None, "voucher")),
        Activate(**till.common(ONE, None, None), lots_of=Reverses(None, "much later")),
        Extend(
            **till.common(ONE, None, None),
            lots_of=Reverses(None, "later"),
            valid_to=when("1 July"),
        ),
        till.adjust(ONE, -1),
        Move(
            **till.common(ONE, None, None),
            to_contact=RECEIVING,
            to_definition=desk.definition,
            amount=Points(7),
        ),
    )
    desk.today("5 March")
    await desk.book(
        till.redeem(ONE, 20, on="20 February"),
        till.earn(ONE, "6 until 31 December 9998 23:59:59", key="for good"),
        Extend(
            **till.common(ONE, None, None), lots_of=Reverses(None, "for good"), valid_to=FOR_EVER
        ),
    )
    return desk


async def suspects(connection: Connection) -> set[HolderId] | None:
    """Who is not acquitted; `None` for everybody."""
    async with connection.transaction():
        return await not_acquitted(connection, NOBODY, EVERYBODY, None)


async def audited(connection: Connection) -> list[Finding]:
    """What the audit finds, nobody acquitted beforehand."""
    total = await connection.fetchval(TRANSACTIONS_TO_AUDIT, None, NOBODY)
    return await _audit_suspects(connection, _Chunk(NOBODY, EVERYBODY, total), None, None)


def accused(finding: Finding) -> HolderId:
    """Whom a finding is about."""
    return HolderId(UUID(finding.place.split()[1].rstrip(",")))


async def test_everybody_is_acquitted_but_those_in_debt(kept: Desk) -> None:
    async with kept.pool.acquire() as connection:
        assert await audited(connection) == []
        assert await suspects(connection) == {await kept.holder_of(INDEBTED)}


async def test_a_chunk_is_not_gone_through_once_a_row_whatever_statistics_say(
    kept: Desk, superuser: Connection
) -> None:
    """Between two ids of large books lies next to nothing, by all that is known beforehand."""
    one = await kept.holder_of(ONE)
    await superuser.execute("analyze")
    planned = NOT_ACQUITTED.replace("$1", f"'{one}'::uuid").replace("$2", f"'{one}'::uuid")
    async with superuser.transaction():
        await superuser.execute(CHUNK_BY_CHUNK)
        rows = await superuser.fetch(f"explain (costs off) {planned.replace('$3', 'null')}")
    plan = [row[0].strip(" ->") for row in rows]
    assert not any(node.startswith(("Merge", "Join Filter")) for node in plan)
    # One is left, that of holds: how each ended is found by an index.
    assert sum(node.startswith("Nested Loop") for node in plan) <= 1


async def test_nobody_is_acquitted_whom_the_audit_finds_wrong(
    kept: Desk, superuser: Connection
) -> None:
    """Every column of every table, in the first and in the last row; every row away, and twice."""
    one, wrongly, caught = await kept.holder_of(ONE), [], 0
    for statement in await tamperings(superuser, one):
        tampering = superuser.transaction()
        await tampering.start()
        try:
            await superuser.execute(statement)
            found = await suspects(superuser)
            if found is None or one in found:
                caught += 1
            elif unnoticed := {accused(one) for one in await audited(superuser)} - found:
                wrongly.append((statement, unnoticed))
        except asyncpg.IntegrityConstraintViolationError:
            pass  # the database itself stands in the way
        finally:
            await tampering.rollback()
    assert wrongly == []
    assert caught > 130, "else nothing was tampered with"


async def tamperings(superuser: Connection, holder: HolderId) -> list[str]:
    found = []
    for table, (owner, key) in TABLES.items():
        columns = await superuser.fetch(
            "select column_name as name, data_type as type from information_schema.columns"
            " where table_schema = 'ledger' and table_name = $1 order by ordinal_position",
            table,
        )
        place = ", ".join(key) or owner
        for order in ("asc", "desc"):
            row = (
                f"where {owner} = '{holder}' and ctid = (select ctid from ledger.{table}"
                f" where {owner} = '{holder}' order by {place} {order} limit 1)"
            )
            for column in columns:
                changed = OTHERWISE[column["type"]].format(column["name"])
                found.append(f"update ledger.{table} set {column['name']} = {changed} {row}")
            found.append(f"delete from ledger.{table} {row}")
            if key:
                again = f"""jsonb_build_object('{key[-1]}', {key[-1]} + 100)"""
                found.append(
                    f"insert into ledger.{table} select (jsonb_populate_record(one, {again})).*"
                    f" from ledger.{table} as one {row}"
                )
    return found

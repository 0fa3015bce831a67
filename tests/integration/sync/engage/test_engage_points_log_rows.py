"""Which rows a points log has: what is pending, what lapsed, how many; and whose."""

import json
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from ledger.contacts import erase_contact
from ledger.identity import ContactId
from sync.engage.settings import PendingShown, PointsLogOptions
from sync.erasure import ERASERS
from tests.following.program import TENANT, Program, member

ROWS = 10_000


async def log(program: Program, contact: ContactId, **options: Any) -> list[dict[str, Any]]:
    follower = await program.follower(points_log=PointsLogOptions(**options))
    rows: list[dict[str, Any]] = json.loads(await follower.points_log(contact))
    assert all(list(row) == ["transactionDate", "amount", "description"] for row in rows)
    times = [row["transactionDate"] for row in rows]
    assert times == sorted(times, reverse=True)
    return rows


@pytest.mark.parametrize(
    ("options", "at_first", "when_active", "when_lapsed"),
    [
        ({}, [50, 20], [50, 20], [-20, 50, 20]),
        ({"expiries": False}, [50, 20], [50, 20], [50, 20]),
        ({"pending": PendingShown.WHEN_ACTIVE}, [20], [50, 20], [-20, 50, 20]),
        (
            {"pending": PendingShown.WHEN_ACTIVE, "expiries": False, "rows_max": 1},
            [20], [50], [50],
        ),
    ],
)  # fmt: skip
async def test_what_is_pending_and_what_lapsed_appears_as_it_is_set(
    timed_program: Program,
    options: dict[str, Any],
    at_first: list[int],
    when_active: list[int],
    when_lapsed: list[int],
) -> None:
    program, now = timed_program, timed_program.now
    assert now is not None
    await program.earn(member(1001), 20, valid_to=now.instant + timedelta(days=20))
    now.passes(seconds=1)
    await program.earn(member(1001), 50, valid_from=now.instant + timedelta(days=10))

    async def amounts() -> list[int]:
        return [row["amount"] for row in await log(program, member(1001), **options)]

    assert await amounts() == at_first
    now.passes(days=11)
    assert await amounts() == when_active, "due, and not yet booked"
    while await program.books.sweep():
        pass
    assert await amounts() == when_active, "and booked"
    now.passes(days=10)
    assert await amounts() == when_lapsed
    while await program.books.sweep():
        pass
    assert await amounts() == when_lapsed


async def test_only_points_of_the_chosen_definition_appear(program: Program) -> None:
    await program.earn(member(1001), 20)
    await program.earn(member(1001), 1250, definition=2)
    assert len(await log(program, member(1001))) == 2
    (row,) = await log(program, member(1001), definition=2)
    assert row["amount"] == 12.5
    assert await log(program, member(1001), definition=99) == []


async def test_a_merged_contact_has_the_log_of_whom_it_became(program: Program) -> None:
    await program.earn(member(1001), 20)
    await program.earn(member(1002), 5)
    await program.merge(member(1001), member(1002))
    amounts = [row["amount"] for row in await log(program, member(1002))]
    assert sum(amounts) == 25
    assert [row["amount"] for row in await log(program, member(1001))] == amounts


async def test_nobody_has_a_log_that_was_erased_or_never_known(program: Program) -> None:
    await program.earn(member(1001), 20)
    tenant = program.catalogue.tenants[TENANT].id
    await erase_contact(program.books, tenant, member(1001), erasers=ERASERS)
    assert await log(program, member(1001)) == []
    assert await log(program, ContactId(uuid4())) == []


async def test_ten_thousand_rows_are_complete_and_quick(program: Program) -> None:
    # A history whose every row moves points, written at once: how it came to be doesn't matter.
    await program.earn(member(1001), 1)
    columns = [
        row["column_name"]
        for row in await program.pool.fetch(
            "select column_name from information_schema.columns"
            " where table_schema = 'ledger' and table_name = 'transaction'"
        )
    ]
    changed = {
        "id": "gen_random_uuid()",
        "number": "number + copy",
        "net": "copy",
        "effective_at": "effective_at - copy * interval '1 minute'",
    }
    values = ", ".join(changed.get(column, column) for column in columns)
    await program.pool.execute(
        f"insert into ledger.transaction ({', '.join(columns)}) select {values}"
        " from ledger.transaction cross join generate_series(1, $1) as copy",
        ROWS - 1,
    )
    follower = await program.follower(points_log=PointsLogOptions(rows_max=ROWS))
    took, body = [], b""
    for _ in range(3):
        started = time.perf_counter()
        body = await follower.points_log(member(1001))
        took.append(time.perf_counter() - started)
    assert body.count(b'"amount"') == ROWS
    # A quarter of a second beside other work; how patient Engage is, nobody says.
    assert min(took) < 3, took
    fewer = await log(program, member(1001), rows_max=100)
    assert len(fewer) == 100

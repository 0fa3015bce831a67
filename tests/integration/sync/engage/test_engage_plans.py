"""The hot statements go by their indexes, whatever is known of the tables: 200,000 accounts."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from ledger.connection import Pool
from ledger.postgres import connect
from sync.engage import accounts, batches, marks, storing
from sync.engage.drift import choosing
from tests.following.program import TENANT, Program

NOW = datetime.now(UTC)


@pytest.fixture
async def crowd(program: Program) -> tuple[Pool, list[UUID], UUID]:
    """Many accounts and batches; a thousand holders of one batch in flight, and that batch."""
    pool, definition = program.pool, program.definition().id
    tenant = program.catalogue.tenants[TENANT].id
    await pool.execute(
        "insert into engage.account (holder_id, definition_id) "
        "select gen_random_uuid(), $1 from generate_series(1, 200000)",
        definition,
    )
    await pool.execute(
        "insert into ledger.account (holder_id, definition_id, available, pending, held, debt) "
        "select holder_id, definition_id, 1, 0, 0, 0 from engage.account"
    )
    await pool.execute(
        "insert into ledger.contact (tenant_id, contact_id, holder_id) "
        "select $1, gen_random_uuid(), holder_id from engage.account",
        tenant,
    )
    await pool.execute(
        "insert into ledger.outbox (consumer, holder_id, definition_id, number) "
        "select 1, holder_id, definition_id, 1 from engage.account limit 50000"
    )
    await pool.execute(
        "insert into engage.batch (id, tenant_id, kind, state, row_count, created_at, finished_at, "
        "path) select gen_random_uuid(), $1, 'balances', 'done', 1000, now(), now(), '/' "
        "from generate_series(1, 20000)",
        tenant,
    )
    batch = uuid4()
    await pool.execute(
        "insert into engage.batch (id, tenant_id, kind, state, row_count, created_at, "
        "next_action_at, path) values ($1, $2, 'balances', 'accepted', 1000, now(), now(), '/')",
        batch,
        tenant,
    )
    await pool.execute(
        "insert into engage.batch_row (batch_id, holder_id, total, place, definition_id) "
        "select case when place <= 1000 then $1 else gen_random_uuid() end, holder_id, 1, "
        "place % 1000, definition_id from (select *, row_number() over () as place "
        "from engage.account limit 50000) as numbered",
        batch,
    )
    rows = await pool.fetch("select holder_id from engage.batch_row where batch_id = $1", batch)
    return pool, [row["holder_id"] for row in rows], batch


async def plan(program: Program, statement: str, *arguments: Any) -> str:
    """How PostgreSQL would go about a statement with these arguments."""
    rows = await program.pool.fetch(f"explain {statement}", *arguments)
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize("analysed", [False, True], ids=["just filled", "analysed"])
async def test_statements_go_by_their_indexes(
    program: Program, crowd: tuple[Pool, list[UUID], UUID], *, analysed: bool
) -> None:
    pool, holders, batch = crowd
    if analysed:
        owner = await connect(program.database.dsn_owner)
        await owner.execute("analyze")
        await owner.close()
    definitions = [program.definition().id] * len(holders)
    tenant = program.catalogue.tenants[TENANT].id
    places = list(range(1000))
    later = NOW + timedelta(minutes=1)
    ids = [row["id"] for row in await pool.fetch("select id from ledger.outbox limit 1000")]
    asked: dict[str, tuple[str, tuple[Any, ...]]] = {
        "claim": (accounts.CLAIM, (1, ids)),
        "begin following": (accounts.BEGIN_FOLLOWING, (1, ids)),
        "tell": (
            storing.TELL,
            (batch, holders, definitions, [None] * 1000, NOW, False, False, tenant, "/"),
        ),
        "in flight": (accounts.IN_FLIGHT, (batch,)),
        "confirm": (accounts.CONFIRM, (batch, NOW, [], False)),
        "push again": (accounts.PUSH_AGAIN, (batch, places, 1, None)),
        "park": (accounts.PARK, (batch, places, ["reason"] * 1000)),
        "start sending": (batches.START_SENDING, (batch, NOW, later, NOW, "stored")),
        "take up": (batches.TAKE_UP, (tenant, ["accepted"], NOW, later, 50, NOW)),
        "page": (batches.LIST, (tenant, None, None, 100)),
        "asked for": (choosing.ASKED_FOR, (NOW, definitions[:1], 500, choosing.SOON)),
    }
    slow = []
    for name, (statement, arguments) in asked.items():
        found = await plan(program, statement, *arguments)
        # There are two definitions, and there never are many.
        if "Seq Scan" in found.replace("Seq Scan on definition", ""):
            slow.append(f"{name}:\n{found}")
    assert not slow, "\n".join(slow)


async def test_marks_are_seen_in_their_order_without_sorting(
    program: Program, crowd: tuple[Pool, list[UUID], UUID]
) -> None:
    assert crowd
    definitions = [program.definition().id]
    found = await plan(program, marks.SEE_MARKS, 1, 0, definitions, NOW, 100)
    assert "Seq Scan on outbox" not in found, found

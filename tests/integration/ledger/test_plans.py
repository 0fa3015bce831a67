"""Plans: every statement of posting and reading finds its rows by the index that it says it uses.

A statement names its indexes in a comment. It is planned over tables large enough to matter, for
one account and for fifty, with its values known and unknown (a prepared statement comes to be
planned without them), and must neither leave out a named index nor read a large table whole.
"""

import json
import re
from collections.abc import Iterator
from types import ModuleType

from ledger import (
    balances_as_of,
    contacts,
    history,
    loading,
    originals,
    reading,
    reading_many,
    storing,
    sweeping,
)
from ledger.connection import Connection
from ledger.postgres import connect
from ledger.writing import Part
from sync.engage import points_logs
from tests.bookkeeping.desk import Desk

HOLDERS = 20_000
LARGE = 5_000
"""A table of so many rows must not be read from one end to the other."""

MODULES = (
    balances_as_of,
    contacts,
    history,
    loading,
    originals,
    points_logs,
    reading,
    reading_many,
    storing,
    sweeping,
)

EQUAL = {"term_holder_id_lot_term_key": "term_pk"}
"""Where two indexes serve as well: a holder's few terms are found by either."""

HOLDER = "md5('holder' || one)::uuid"
FIRST = "'2026-01-01'::timestamptz + one * interval '1 minute'"

FILL = f"""
    insert into holder (id, tenant_id, number, last_recorded_at, last_lot, salt, merged_into)
    select {HOLDER}, 1, 5, {FIRST}, 3, '\\x00',
           case when one % 50 = 0 then md5('holder' || one - 1)::uuid end
    from generate_series(1, {HOLDERS}) as one;

    insert into contact select 1, md5('contact' || one)::uuid, {HOLDER}
    from generate_series(1, {HOLDERS}) as one;

    insert into account (holder_id, definition_id, available, pending, held, debt, next_due_at)
    select {HOLDER}, definition, 100, 0, 0, 0, case when one % 5 = 0 then {FIRST} end
    from generate_series(1, {HOLDERS}) as one, generate_series(1, 2) as definition;

    insert into transaction (
        holder_id, number, id, effective_at, recorded_at, occurred_at, amount, net, reverses,
        available_after, pending_after, held_after, debt_after, definition_id, kind, source,
        texts_hash, hash, idempotency_key
    )
    select {HOLDER}, number, md5('transaction' || one || number)::uuid, {FIRST}, {FIRST}, null,
           100, 100, case when number = 5 then md5('transaction' || one || 1)::uuid end,
           100, 0, 0, 0, 1, number, 'pos', '\\x00', '\\x00', 'key'
    from generate_series(1, {HOLDERS}) as one, generate_series(1, 5) as number;

    insert into transfer select {HOLDER}, number, 100, {FIRST}, {FIRST}, 1, 1, 11, 1
    from generate_series(1, {HOLDERS}) as one, generate_series(1, 5) as number;

    insert into lot (
        holder_id, lot, line, definition_id, number, issued, remaining, lapsed, effective_at,
        first_valid_from, valid_from, active, origin_holder, origin_lot
    )
    select {HOLDER}, lot, 1, 1, lot, 100, 50, 0, {FIRST}, {FIRST}, {FIRST}, true,
           case when one % 20 = 0 then md5('holder' || one - 1)::uuid end,
           case when one % 20 = 0 then 1 end
    from generate_series(1, {HOLDERS}) as one, generate_series(1, 3) as lot;

    insert into allocation select {HOLDER}, number, 50, number, 1, 1
    from generate_series(1, {HOLDERS}) as one, generate_series(1, 3) as number;

    insert into term (holder_id, lot, term, number, valid_from)
    select {HOLDER}, 1, 1, 4, {FIRST} from generate_series(1, {HOLDERS}) as one;

    insert into hold (holder_id, number, definition_id, ended_by)
    select {HOLDER}, 3, 1, case when one % 10 > 0 then 4 end
    from generate_series(1, {HOLDERS}) as one;

    insert into idempotency
    select md5('key' || one || number)::uuid, {HOLDER}, number, '\\x00'
    from generate_series(1, {HOLDERS}) as one, generate_series(1, 5) as number;
"""

VALUES = {
    "uuid": [f"md5('holder{number}')::uuid" for number in range(1, 51)],
    "smallint": ["1"] * 50,
    "integer": ["1"] * 50,
    "bigint": [str(100 + number) for number in range(50)],
    "boolean": ["true"] * 50,
    "bytea": [r"'\x00'::bytea"] * 50,
    "text": ["'x'"] * 50,
    "timestamp with time zone": ["'2026-01-02'::timestamptz"] * 50,
}


def statements(module: ModuleType) -> Iterator[tuple[str, str]]:
    """The statements of a module that say which index they use."""
    for name, text in vars(module).items():
        if name.isupper() and isinstance(text, str) and "-- " in text and "Index:" in text:
            yield f"{module.__name__}.{name}", text
        elif isinstance(text, Part) and text.note:
            yield f"{module.__name__}.{name}", f"-- {text.note}\n{text.text()}"


def named_indexes(statement: str) -> set[str]:
    comments = " ".join(re.findall(r"--(.*)", statement))
    _, _, named = comments.partition("Index:")
    return set(re.findall(r"\b[a-z_]+_(?:pk|idx|key)\b", named))


def used(node: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Each index of a plan as `("index", name)` and each table read whole as `("scan", name)`."""
    if "Index Name" in node:
        yield "index", str(node["Index Name"])
    if node["Node Type"] == "Seq Scan":
        yield "scan", str(node["Relation Name"])
    plans = node.get("Plans", [])
    assert isinstance(plans, list)
    for one in plans:
        yield from used(one)


async def plan(connection: Connection, statement: str, count: int) -> set[tuple[str, str]]:
    """What a statement uses, asked about `count` accounts."""
    await connection.execute(f"prepare asked as {statement}")
    types = await connection.fetchval(
        "select parameter_types::text[] from pg_prepared_statements where name = 'asked'"
    )
    arguments = []
    # Arrays that are sent as text say what they are.
    sent = dict(re.findall(r"\$(\d+)::text::([a-zA-Z ]+\[\])", statement))
    for number, kind in enumerate(types, start=1):
        array = sent.get(str(number), kind).lower()
        values = VALUES[array.removesuffix("[]")]
        argument = f"array[{', '.join(values[:count])}]::{array}::{kind}"
        arguments.append(argument if array.endswith("[]") else values[0])
    explained = await connection.fetchval(
        f"explain (format json) execute asked ({', '.join(arguments)})"
    )
    await connection.execute("deallocate asked")
    return set(used(json.loads(explained)[0]["Plan"]))


async def test_every_statement_uses_the_indexes_it_names(desk: Desk, superuser: Connection) -> None:
    await superuser.execute("set search_path = ledger")
    await superuser.execute(FILL)
    await superuser.execute("analyze")
    rows = await superuser.fetch(
        "select relname from pg_class where relkind = 'r' and reltuples > $1", LARGE
    )
    large = {row["relname"] for row in rows}
    assert {"holder", "account", "transaction", "transfer", "lot", "idempotency"} <= large

    service = await connect(desk.database.dsn_service)
    problems = []
    looked_at = 0
    for module in MODULES:
        for name, statement in statements(module):
            looked_at += 1
            for mode in ("force_custom_plan", "force_generic_plan"):
                await service.execute(f"set plan_cache_mode = {mode}")
                for count in (1, 50):
                    found = await plan(service, statement, count)
                    indexes = {EQUAL.get(one, one) for kind, one in found if kind == "index"}
                    missing = named_indexes(statement) - indexes
                    whole = {one for kind, one in found if kind == "scan"} & large
                    if missing or whole:
                        problems.append(
                            f"{name} ({mode}, {count}): without {missing}, whole {whole}"
                        )
    await service.close()
    assert looked_at > 25
    assert problems == [], "\n".join(problems)

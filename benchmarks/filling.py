"""Books that are large before anything is measured, made by set-based SQL in minutes.

The one hard idea: they are real books. Transactions, transfers, lots, keys, chains of hashes,
roll-ups and balances are what posting would have written, so `verify` finds nothing to say. Every
contact has the same number of earns; times of record and of effect are spread over two years, a
fifth of the purchases reported up to two days late.
"""

from collections.abc import Sequence
from hashlib import md5
from typing import Final
from uuid import UUID

from benchmarks.ground import DEFINITION, TENANT, Ground, open_books, owner
from ledger.connection import Connection
from ledger.identity import ContactId, contact_id
from ledger.postgres import Database

EACH: Final = 20
"""Transactions of each contact: a points log of twenty rows."""

SPAN_DAYS: Final = 730

TABLES: Final = ("transaction", "transfer", "lot", "idempotency", "rollup")

CONSTRAINTS: Final = """
    select conname as name, pg_get_constraintdef(oid) as definition
    from pg_constraint where conrelid = $1::text::regclass and contype in ('p', 'u')
"""

INDEXES: Final = """
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
    from pg_index where indrelid = $1::text::regclass
      and not exists (select from pg_constraint where conindid = indexrelid)
"""

BEGIN: Final = """
    create unlogged table filling as
    select one, md5('holder' || one)::uuid as holder_id, md5('contact' || one)::uuid as contact_id,
           decode(md5('salt' || one), 'hex') as salt, 0::bigint as number, 0::bigint as available,
           decode(repeat('00', 32), 'hex') as head, 0::bigint as amount, ''::text as key,
           ''::text as description, null::uuid as id, null::bytea as texts_hash,
           null::timestamptz as recorded_at, null::timestamptz as effective_at,
           null::timestamptz as valid_to, null::timestamptz as first_valid_to,
           null::timestamptz as last_effective_at
    from generate_series(1, $1::integer) as one
"""

INSTANT: Final = "int8send((extract(epoch from {})*1000000)::bigint)"
TEXT: Final = "int4send(octet_length({0})) || convert_to({0}, 'UTF8')"
NOTHING: Final = r"'\xffffffff'::bytea"
ABSENT: Final = r"'\x8000000000000000'::bytea"
NO_UUID: Final = "decode(repeat('00', 16), 'hex')"

DRAW: Final = f"""
    -- The next transaction of every contact, in the order in which they were recorded.
    create unlogged table filling_next as
    with drawn as (
        select filling.*,
               ('x' || substr(md5('when' || $1 || '-' || one), 1, 8))::bit(32)::bigint as chance,
               ('x' || substr(md5('late' || $1 || '-' || one), 1, 8))::bit(32)::bigint as late
        from filling
    ), timed as (
        select drawn.*, date_trunc('milliseconds',
                   now() - interval '1 day' - interval '{SPAN_DAYS} days'
                   + interval '{SPAN_DAYS} days' / $2::integer
                     * ($1::integer - 1 + chance / 4294967296.0)
               ) as recorded
        from drawn
    ), happened as (
        select timed.*, recorded - case when late % 5 = 0
                   then (late % 172800) * interval '1 second' else interval '0' end as effective,
               'fill-' || one || '-' || $1::integer as next_key,
               'Purchase ' || lpad((late % 1000000)::text, 6, '0') as told,
               100 + late % 900 as points
        from timed
    )
    select one, holder_id, contact_id, salt, number + 1 as number, available + points as available,
           head, points as amount, next_key as key, told as description,
           (lpad(to_hex((extract(epoch from recorded) * 1000)::bigint), 12, '0') || '7'
               || substr(md5(next_key), 1, 3) || '8' || substr(md5(next_key), 4, 15))::uuid as id,
           sha256(salt || {TEXT.format("next_key")} || {TEXT.format("told")}
               || {NOTHING} || {NOTHING}) as texts_hash,
           recorded as recorded_at, effective as effective_at,
           date_trunc('year', effective + interval '36 months') + interval '1 year' as valid_to,
           least(first_valid_to,
               date_trunc('year', effective + interval '36 months') + interval '1 year'
           ) as first_valid_to,
           greatest(last_effective_at, effective) as last_effective_at
    from happened order by recorded
"""

CHAIN: Final = rf"""
    -- The hash of each on top of its predecessor's; see ledger/chain.py.
    create unlogged table filling_chained as
    select one, holder_id, contact_id, salt, number, available,
        sha256(
            '\x01'::bytea || uuid_send(holder_id) || int8send(number) || head || uuid_send(id)
            || int2send($1::smallint) || '\x01'::bytea || int8send(amount)
            || {INSTANT.format("effective_at")} || {INSTANT.format("recorded_at")} || {ABSENT}
            || {NO_UUID} || {NO_UUID} || {ABSENT} || {ABSENT} || {ABSENT} || texts_hash
            || int2send(3::smallint) || 'pos'::bytea
            || '\x000100010000'::bytea
            || '\x00010b01'::bytea || int8send(amount) || {INSTANT.format("effective_at")}
            || '\x0000'::bytea
            || int4send(number::integer) || '\x0001'::bytea || int8send(amount)
            || {INSTANT.format("effective_at")} || {INSTANT.format("effective_at")}
            || {INSTANT.format("valid_to")} || {NO_UUID} || '\x00000000'::bytea
        ) as head, amount, key, description, id, texts_hash, recorded_at, effective_at, valid_to,
        first_valid_to, last_effective_at
    from filling_next
"""

STORE: Final = (
    """
    insert into ledger.transaction (
        holder_id, number, id, effective_at, recorded_at, amount, net, available_after,
        pending_after, held_after, debt_after, definition_id, kind, source, texts_hash, hash,
        idempotency_key, description
    )
    select holder_id, number, id, effective_at, recorded_at, amount, amount, available, 0, 0, 0,
           $1::smallint, 1, 'pos', texts_hash, head, key, description
    from filling_chained
    """,
    """
    insert into ledger.transfer (
        holder_id, number, amount, effective_at, recorded_at, line, definition_id, debit, credit
    )
    select holder_id, number, amount, effective_at, recorded_at, 1, $1::smallint, 11, 1
    from filling_chained
    """,
    """
    insert into ledger.lot (
        holder_id, lot, line, definition_id, number, issued, remaining, lapsed, effective_at,
        first_valid_from, first_valid_to, valid_from, valid_to, term, active
    )
    select holder_id, number, 1, $1::smallint, number, amount, amount, 0, effective_at,
           effective_at, valid_to, effective_at, valid_to, 0, true
    from filling_chained
    """,
    """
    insert into ledger.idempotency (key_hash, holder_id, number, fingerprint)
    select encode(substring(sha256(
               convert_to(tenant.id::text, 'UTF8') || '\\x00'::bytea || convert_to(key, 'UTF8')
           ) for 16), 'hex')::uuid, holder_id, filling_chained.number,
           substring(sha256(salt || convert_to(key, 'UTF8')) for 16)
    from filling_chained, ledger.definition join ledger.tenant on tenant.id = definition.tenant_id
    where definition.id = $1::smallint
    """,
)

ROLL_UP: Final = """
    -- In the order in which they were recorded, as batches append them.
    insert into ledger.rollup (definition_id, account, effective_hour, recorded_hour, amount)
    select definition_id, account, date_trunc('hour', effective_at),
           date_trunc('hour', recorded_at), sum(amount)
    from (
        select definition_id, debit as account, effective_at, recorded_at, -amount as amount
        from ledger.transfer
        union all
        select definition_id, credit, effective_at, recorded_at, amount from ledger.transfer
    ) as side
    group by 1, 2, 3, 4 order by 4, 3, 1, 2
"""

FINISH: Final = (
    """
    insert into ledger.contact (tenant_id, contact_id, holder_id)
    select definition.tenant_id, contact_id, holder_id from filling, ledger.definition
    where definition.id = $1::smallint
    """,
    """
    insert into ledger.holder (id, tenant_id, number, head, last_recorded_at, last_lot, salt)
    select holder_id, definition.tenant_id, number, head, recorded_at, number, salt
    from filling, ledger.definition where definition.id = $1::smallint
    """,
    """
    insert into ledger.account (
        holder_id, definition_id, available, pending, held, debt, last_effective_at, next_due_at
    )
    select holder_id, $1::smallint, available, 0, 0, 0, last_effective_at, first_valid_to
    from filling
    """,
)


def contact(number: int) -> ContactId:
    """The contact of this number, from 1."""
    return contact_id(UUID(md5(f"contact{number}".encode(), usedforsecurity=False).hexdigest()))


async def filled(ground: Ground, contacts: int, each: int = EACH) -> Database:
    """Books of so many contacts with so many earns each; filled once and kept."""

    async def fill(database: Database) -> None:
        async with open_books(database, connections=1) as books:
            tenant = books.catalogue.tenants[TENANT].id
            definition = books.catalogue.definition(tenant, DEFINITION)
        if definition is None:
            raise LookupError("the points that benchmarks post are not declared")
        async with owner(database) as connection:
            await _fill(ground, connection, definition.id, contacts, each)

    return await ground.kept(f"books_{contacts}_{each}", fill)


async def _fill(
    ground: Ground, connection: Connection, definition: int, contacts: int, each: int
) -> None:
    for setting in ("work_mem = '512MB'", "maintenance_work_mem = '1GB'", "timezone = 'UTC'"):
        await connection.execute(f"set {setting}")
    indexes = await _take_away_indexes(connection)
    await connection.execute(BEGIN.replace("$1", str(contacts)))
    for number in range(1, each + 1):
        await connection.execute(DRAW.replace("$1", str(number)).replace("$2", str(each)))
        await connection.execute(CHAIN.replace("$1", str(definition)))
        for statement in STORE:
            await connection.execute(statement.replace("$1", str(definition)))
        await connection.execute("drop table filling, filling_next")
        await connection.execute("alter table filling_chained rename to filling")
        if contacts * each >= 1_000_000:
            ground.say(f"{number * contacts:,} of {each * contacts:,} transactions")
    await connection.execute(ROLL_UP)
    for statement in FINISH:
        await connection.execute(statement.replace("$1", str(definition)))
    await connection.execute("drop table filling")
    for statement in indexes:
        await connection.execute(statement)
    await connection.execute("vacuum (freeze, analyze)")


async def _take_away_indexes(connection: Connection) -> Sequence[str]:
    """Drop the indexes of what is filled; answers how to make them again, sorted and at once."""
    again: list[str] = []
    for table in TABLES:
        place = f"ledger.{table}"
        for row in await connection.fetch(CONSTRAINTS, place):
            again.append(f"alter table {place} add constraint {row['name']} {row['definition']}")
            await connection.execute(f"alter table {place} drop constraint {row['name']}")
        for row in await connection.fetch(INDEXES, place):
            again.append(row["definition"])
            await connection.execute(f"drop index {row['name']}")
    return again


ROWS: Final = "select count(*) from ledger.{} where ctid >= '(0,0)'"
"""Reads a table from end to end, but by the ids of its rows: a large one that is read otherwise
leaves nothing in the server's memory."""

KEYS: Final = {
    "contact": "select count(contact_id) from ledger.contact where tenant_id >= 0",
    "holder": "select count(id) from ledger.holder where id >= $1",
    "account": "select count(holder_id) from ledger.account where holder_id >= $1",
    "transfer": "select count(holder_id) from ledger.transfer where holder_id >= $1",
    "transaction": "select count(holder_id) from ledger.transaction where holder_id >= $1",
    "rollup": """
        select (select count(effective_hour) from ledger.rollup where definition_id >= 0),
               (select count(recorded_hour) from ledger.rollup where recorded_hour > '-infinity')
    """,
}
"""Reads the indexes by which a table is read."""


async def warm(database: Database, *tables: str) -> None:
    """Read what readers will ask for once, so that nobody measures the disk for the others.

    The last of `tables` stays in memory in any case; of those before it, what there is room for.
    """
    async with owner(database) as connection:
        await connection.execute("set enable_seqscan = off")
        for table in tables:
            statement = KEYS[table]
            await connection.execute(ROWS.format(table))
            await connection.fetch(statement, *([UUID(int=0)] if "$1" in statement else []))

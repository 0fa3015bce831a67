"""Lines of CSV that the database writes itself: of what a program has most of.

The one hard idea: a row that Python takes apart and puts together again costs ten times what it
costs where it lies. So PostgreSQL puts whole stretches of lines together, in the very words of
`api.exporting.text`, byte by byte; a test compares them. Where something is due, or the past is
asked for, `datasets` reads the rows as ever.
"""

from collections.abc import AsyncIterator, Callable
from typing import Final
from uuid import UUID

from api.exporting.datasets import BALANCES, Asked, balance_row
from api.exporting.text import CsvWriter
from ledger.amounts import SPEND_SCALE
from ledger.balances_export import FIRST, STRETCH, AccountKey, walking
from ledger.identity import DefinitionId, HolderId
from ledger.kinds import Kind, LedgerAccount

Lines = AsyncIterator[tuple[bytes, int]]
"""Bytes of a file, and how many rows are in them."""

TRANSACTIONS_AT_ONCE: Final = 5_000

_NOBODY: Final = UUID(int=0)

_END: Final = r"e'\r\n'"


def _words(words: dict[int, str]) -> str:
    """The words of an enumeration, to be looked up by number."""
    every = ",".join(words.get(number, "null") for number in range(1, max(words) + 1))
    return f"('{{{every}}}'::text[])"


_KINDS: Final = _words({kind.value: kind.word for kind in Kind})
_ACCOUNTS: Final = _words({account.value: account.word for account in LedgerAccount})


def _amount(column: str, scale: str) -> str:
    """Minor units as a plain number."""
    unit = f"('{{1,0.1,0.01,0.001,0.0001}}'::numeric[])[{scale} + 1]"
    return f"case when {scale} = 0 then {column}::text else trim_scale({column} * {unit})::text end"


def _instant(column: str) -> str:
    written = f"to_char({column} at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    return f"replace({written}, '.000000Z', 'Z')"


def _text(column: str) -> str:
    """In quotation marks where it must be."""
    quoted = f"'\"' || replace({column}, '\"', '\"\"') || '\"'"
    return f"case when {column} ~ '[\",\\r\\n]' then {quoted} else {column} end"


def _line(*cells: str) -> str:
    return " || ',' || ".join(f"coalesce({cell}, '')" for cell in cells) + f" || {_END}"


# Inside a cell each quotation mark of a JSON text is doubled.
def _object(**members: str) -> str:
    pairs = [f"'\"\"{name}\"\":' || coalesce({value}, 'null')" for name, value in members.items()]
    return "'{' || " + " || ',' || ".join(pairs) + " || '}'"


def _json_text(value: str) -> str:
    return f"'\"\"' || {value} || '\"\"'"


def _list(form: str) -> str:
    """A cell that holds a list: its form, or an empty one."""
    return f"coalesce('\"[' || {form} || ']\"', '[]')"


_HOLDERS: Final = "select distinct holder_id from stretch"

_OWNERS: Final = """
    -- Whose the holders are; see ledger.reading. Arrays, as each index is then gone through once.
    -- Index: contact_holder_id_idx, contact_former_holder_id_idx.
    select distinct on (holder_id) holder_id, contact_id
    from (
        select former_holder_id as holder_id, contact_id, 1 as rank from ledger.contact
        where former_holder_id = any(array(select holder_id from holder))
        union all
        select holder_id, contact_id, 2 from ledger.contact
        where holder_id = any(array(select holder_id from holder)) and former_holder_id is null
    ) as one
    order by holder_id, rank
"""

BALANCES_LINES: Final = f"""
    -- The next accounts that hold something, as lines; and whether on any of them something is due.
    -- Index: account_pk.
    with stretch as materialized (
        select * from ledger.account
        where (holder_id, definition_id) > ($2::uuid, $3::smallint)
          and definition_id = any($1::smallint[])
          and (available + pending + held + debt > 0 or next_due_at <= $5)
        order by holder_id, definition_id limit $4
    ), last as (
        select holder_id, definition_id from stretch
        order by holder_id desc, definition_id desc limit 1
    ), holder as ({_HOLDERS}), owner as ({_OWNERS})
    select count(*) as rows, coalesce(bool_or(next_due_at <= $5), false) as is_due,
           (select holder_id from last) as last_holder,
           (select definition_id from last) as last_definition,
           string_agg({
    _line(
        "contact_id::text",
        "holder_id::text",
        "engage_id::text",
        *(_amount(name, "scale") for name in ("available", "pending", "held", "debt")),
        _amount("(available + pending + held - debt)", "scale"),
    )
}, '' order by holder_id, definition_id) as lines
    from stretch left join owner using (holder_id)
    join ledger.definition on definition.id = stretch.definition_id
"""

_STRETCH: Final = """
    select * from ledger.transaction
    where (holder_id, number) > ($2::uuid, $3::bigint) and definition_id = any($1::smallint[])
    order by holder_id, number limit $4
"""

_LAST: Final = "select holder_id, number from stretch order by holder_id desc, number desc limit 1"

_PARTS: Final = f"""
    select allocation.holder_id, allocation.number, allocation.line,
           string_agg({
    _object(lot="lot::text", amount=_amount("allocation.amount", "scale"))
}, ',' order by place) as form
    from stretch join ledger.allocation using (holder_id, number)
    join ledger.definition on definition.id = stretch.definition_id
    group by allocation.holder_id, allocation.number, allocation.line
"""

_BESIDES: Final = f"""
    with stretch as materialized ({_STRETCH}), last as ({_LAST}), holder as ({_HOLDERS}),
    owner as ({_OWNERS}), part as ({_PARTS})
"""

TRANSACTIONS_LINES: Final = f"""
    -- The next transactions, of all holders, as lines. Index: transaction_pk, transfer_pk,
    -- allocation_pk, lot_pk, term_pk.
    {_BESIDES}, moved as (
        select holder_id, number, string_agg({
    _object(
        line="transfer.line::text",
        debit=_json_text(f"{_ACCOUNTS}[debit]"),
        credit=_json_text(f"{_ACCOUNTS}[credit]"),
        amount=_amount("transfer.amount", "scale"),
        effectiveAt=_json_text(_instant("transfer.effective_at")),
        allocations="'[' || coalesce(part.form, '') || ']'",
    )
}, ',' order by transfer.line) as form
        from stretch join ledger.transfer using (holder_id, number)
        join ledger.definition on definition.id = stretch.definition_id
        left join part using (holder_id, number, line)
        group by holder_id, number
    ), issued as (
        select holder_id, lot.number, string_agg({
    _object(
        lot="lot::text",
        line="line::text",
        amount=_amount("issued", "scale"),
        effectiveAt=_json_text(_instant("effective_at")),
        validFrom=_json_text(_instant("first_valid_from")),
        validTo=_json_text(_instant("first_valid_to")),
        originHolderId=_json_text("origin_holder::text"),
        originLot="origin_lot::text",
    )
}, ',' order by lot) as form
        from holder join ledger.lot using (holder_id)
        join ledger.definition on definition.id = lot.definition_id
        group by holder_id, lot.number
    ), changed as (
        select holder_id, term.number, string_agg({
    _object(
        lot="lot::text",
        term="term::text",
        validFrom=_json_text(_instant("valid_from")),
        validTo=_json_text(_instant("valid_to")),
    )
}, ',' order by lot) as form
        from holder join ledger.term using (holder_id)
        group by holder_id, term.number
    )
    select count(*) as rows,
           (select holder_id from last) as last_holder, (select number from last) as last_number,
           string_agg({
    _line(
        "stretch.id::text",
        "contact_id::text",
        "holder_id::text",
        "number::text",
        "engage_id::text",
        f"{_KINDS}[kind]",
        _amount("amount", "scale"),
        _amount("net", "scale"),
        _instant("effective_at"),
        _instant("recorded_at"),
        _instant("occurred_at"),
        _text("source"),
        _text("idempotency_key"),
        _text("description"),
        _text("reference"),
        _text("actor"),
        "reverses::text",
        "linked::text",
        _instant("hold_expires_at"),
        _amount("part", str(SPEND_SCALE)),
        _amount("whole", str(SPEND_SCALE)),
        *(_amount(f"{name}_after", "scale") for name in ("available", "pending", "held", "debt")),
        _list("moved.form"),
        _list("issued.form"),
        _list("changed.form"),
        "encode(texts_hash, 'hex')",
        "encode(hash, 'hex')",
    )
}, '' order by holder_id, number) as lines
    from stretch left join owner using (holder_id)
    join ledger.definition on definition.id = stretch.definition_id
    left join moved using (holder_id, number)
    left join issued using (holder_id, number)
    left join changed using (holder_id, number)
"""

TRANSFERS_LINES: Final = f"""
    -- The transfers of the next transactions, of all holders, as lines. Index: transaction_pk,
    -- transfer_pk, allocation_pk.
    {_BESIDES}
    select count(transfer.line) as rows,
           (select holder_id from last) as last_holder, (select number from last) as last_number,
           string_agg(case when transfer.line is not null then {
    _line(
        "stretch.id::text",
        "contact_id::text",
        "holder_id::text",
        "number::text",
        "transfer.line::text",
        "engage_id::text",
        f"{_KINDS}[kind]",
        f"{_ACCOUNTS}[debit]",
        f"{_ACCOUNTS}[credit]",
        _amount("transfer.amount", "scale"),
        _instant("transfer.effective_at"),
        _instant("stretch.recorded_at"),
        _list("part.form"),
    )
} end, '' order by holder_id, number, transfer.line) as lines
    from stretch left join owner using (holder_id)
    join ledger.definition on definition.id = stretch.definition_id
    left join ledger.transfer using (holder_id, number)
    left join part using (holder_id, number, line)
"""


async def _balances(asked: Asked) -> Lines:
    writer = CsvWriter(BALANCES)
    async with walking(
        asked.connection,
        asked.numbers,
        effective_at=asked.effective_at,
        recorded_at=asked.recorded_at,
        now=asked.at,
    ) as walk:
        after: AccountKey | None = FIRST
        while after is not None:
            row = None
            if walk.instants.is_stored:
                row = await asked.connection.fetchrow(
                    BALANCES_LINES, asked.numbers, *after, STRETCH, walk.instants.effective_at
                )
            if row is None or row["is_due"]:
                stretch = await walk.after(after)
                rows = [balance_row(asked, one) for one in stretch.balances]
                yield writer.rows(rows), len(rows)
                after = stretch.last
                continue
            if row["rows"]:
                yield row["lines"].encode(), row["rows"]
            is_end = row["rows"] < STRETCH
            after = None if is_end else _key(row["last_holder"], row["last_definition"])


def _key(holder: UUID, definition: int) -> AccountKey:
    return HolderId(holder), DefinitionId(definition)


async def _transactions(asked: Asked, statement: str) -> Lines:
    async with asked.connection.transaction(isolation="repeatable_read", readonly=True):
        after: tuple[UUID, int] = (_NOBODY, 0)
        while True:
            row = await asked.connection.fetchrow(
                statement, asked.numbers, *after, TRANSACTIONS_AT_ONCE
            )
            if row is None or row["last_holder"] is None:
                return
            if row["rows"]:
                yield row["lines"].encode(), row["rows"]
            after = (row["last_holder"], row["last_number"])


LINES: Final[dict[str, Callable[[Asked], Lines]]] = {
    "balances": _balances,
    "transactions": lambda asked: _transactions(asked, TRANSACTIONS_LINES),
    "transfers": lambda asked: _transactions(asked, TRANSFERS_LINES),
}
"""What the database writes itself, by the names of `api.exporting.datasets`."""

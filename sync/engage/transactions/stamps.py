"""Time stamps that tell the rows of an account apart.

The one hard idea: Engage gives a row no id of ours back, so what is unclear is settled by looking
for the row's time stamp among what Engage has. A row is therefore stamped with the instant it
happened at, moved on by as little as it takes until no other row of the account has it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from ledger.connection import Connection
from sync.engage.marks import AccountKey

SAME_INSTANT_MAX: Final = 10_000
"""Rows of an account at one instant; no history comes near it."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

TAKEN = """
    -- Stamps that rows of accounts have from certain instants on.
    -- Index: row_holder_id_definition_id_stamp_key.
    select row.holder_id, row.definition_id, row.stamp
    from unnest($1::uuid[], $2::smallint[], $3::timestamptz[], $4::timestamptz[])
        as wanted (holder_id, definition_id, first, last)
    join engage.row on row.holder_id = wanted.holder_id
        and row.definition_id = wanted.definition_id
        and row.stamp between wanted.first and wanted.last
"""

Wanted = tuple[AccountKey, datetime]
"""Whose row, and when it happened."""


async def stamps_for(
    connection: Connection, wanted: Sequence[Wanted], step: timedelta
) -> list[datetime]:
    """A stamp for each row, in order; nobody else gives stamps to these accounts meanwhile.

    Args:
        connection: In the transaction that stores the rows.
        wanted: Whose rows, and when they happened.
        step: The finest difference of two stamps.
    """
    floors = sorted({(key, floor(at, step)) for key, at in wanted})
    spans = list(_spans(floors, step * SAME_INSTANT_MAX))
    rows = await connection.fetch(
        TAKEN,
        [key[0] for key, _, _ in spans],
        [key[1] for key, _, _ in spans],
        [first for _, first, _ in spans],
        [last for _, _, last in spans],
    )
    taken: dict[AccountKey, set[datetime]] = {}
    for row in rows:
        taken.setdefault((row["holder_id"], row["definition_id"]), set()).add(row["stamp"])
    return assign(wanted, step, taken)


def assign(
    wanted: Iterable[Wanted], step: timedelta, taken: Mapping[AccountKey, set[datetime]]
) -> list[datetime]:
    """The first free stamp of each row from its instant on, given those that are taken."""
    used = {key: set(stamps) for key, stamps in taken.items()}
    given = []
    for key, at in wanted:
        stamps = used.setdefault(key, set())
        stamp = floor(at, step)
        for _ in range(SAME_INSTANT_MAX):
            if stamp not in stamps:
                break
            stamp += step
        else:
            raise RuntimeError(f"more than {SAME_INSTANT_MAX} rows of an account at one instant")
        stamps.add(stamp)
        given.append(stamp)
    return given


def floor(at: datetime, step: timedelta) -> datetime:
    """An instant without what is finer than a step."""
    return _EPOCH + (at - _EPOCH) // step * step


def _spans(
    floors: Sequence[Wanted], length: timedelta
) -> Iterator[tuple[AccountKey, datetime, datetime]]:
    """Stretches of time to look at, those of an account that touch made one."""
    spans: list[tuple[AccountKey, datetime, datetime]] = []
    for key, first in floors:
        if spans and spans[-1][0] == key and first <= spans[-1][2]:
            spans[-1] = (key, spans[-1][1], first + length)
        else:
            spans.append((key, first, first + length))
    yield from spans

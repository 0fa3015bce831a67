"""A column comes to the database as it left: whatever is in its texts, bytes and instants."""

from datetime import UTC, datetime

import asyncpg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.kinds import Kind
from ledger.literals import LITERALS

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are told without a zone
VALUES = {
    "TEXT": TEXTS | st.sampled_from(["", "null", "NULL", "{}", '"', "\\", 'a","b', "\\x00", " "]),
    "BYTEA": st.binary(max_size=8),
    "TIMESTAMP WITH TIME ZONE": INSTANTS,
    "UUID": st.uuids(),
    "BIGINT": st.integers(-(2**63), 2**63 - 1),
    "INTEGER": st.integers(-(2**31), 2**31 - 1),
    "SMALLINT": st.integers(-(2**15), 2**15 - 1),
    "BOOLEAN": st.booleans(),
}


async def test_a_column_comes_as_it_left(superuser: asyncpg.Connection) -> None:
    columns = st.fixed_dictionaries(
        {kind: st.lists(st.none() | value, max_size=6) for kind, value in VALUES.items()}
    )
    left: list[dict[str, list[object]]] = []

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(columns)
    def gather(found: dict[str, list[object]]) -> None:
        left.append(found)

    gather()
    assert set(VALUES) == set(LITERALS)
    arrays = ", ".join(f"${place}::text::{kind}[]" for place, kind in enumerate(VALUES, start=1))
    for found in left:
        asked = [LITERALS[kind](found[kind]) for kind in VALUES]
        row = await superuser.fetchrow(f"select {arrays}", *asked)
        assert row is not None
        assert [list(came) for came in row] == [found[kind] for kind in VALUES]


async def test_numbers_that_have_names_go_as_numbers(superuser: asyncpg.Connection) -> None:
    written = LITERALS["SMALLINT"]([Kind.EARN, None, Kind.TIMEOUT])
    assert await superuser.fetchval("select $1::text::smallint[]", written) == [1, None, 22]

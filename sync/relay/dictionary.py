"""The names a destination was sent so far, kept in the database and in mind.

The one hard idea: a name that is new is stored before it is sent, in the transaction that stores
the request; if another replica stored it meanwhile with another type, the events are mapped again
by what that one chose. What is kept in mind is only what was committed.
"""

from types import MappingProxyType
from typing import Final

from ledger.connection import Connection
from sync.relay.mapping.lexicon import Entries, Entry, Lexicon, Limits, NameKind
from sync.relay.mapping.values import ValueType
from sync.relay.register import DestinationId

LOAD: Final = """
    -- Index: known_name_pk.
    select kind, name, type from relay.known_name where destination_id = $1
"""

ADD: Final = """
    -- Waits for whoever adds the same name. Index: known_name_pk.
    insert into relay.known_name (destination_id, kind, name, type)
    select $1, kind, name, type
    from unnest($2::text[], $3::text[], $4::text[]) as given (kind, name, type)
    order by kind, name
    on conflict do nothing
    returning kind
"""


async def load_lexicon(
    connection: Connection, destination: DestinationId, limits: Limits
) -> Lexicon:
    """All names of a destination."""
    rows = await connection.fetch(LOAD, destination)
    entries: dict[Entry, ValueType | None] = {
        (NameKind(row["kind"]), row["name"]): None
        if row["type"] is None
        else ValueType(row["type"])
        for row in rows
    }
    return Lexicon(MappingProxyType(entries), limits)


async def add_names(connection: Connection, destination: DestinationId, entries: Entries) -> bool:
    """Store new names; False if any of them was stored by somebody else meanwhile."""
    if not entries:
        return True
    rows = await connection.fetch(
        ADD,
        destination,
        [kind.value for kind, _ in entries],
        [name for _, name in entries],
        [None if type_ is None else type_.value for type_ in entries.values()],
    )
    return len(rows) == len(entries)

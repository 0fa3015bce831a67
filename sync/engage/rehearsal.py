"""A dry run: what would be sent now, without sending anything or changing anything.

The one hard idea: it is not worked out anew but done, by the very code that does it, in a database
transaction that is then undone. So what is shown is byte for byte what would go out.
"""

from contextlib import aclosing
from typing import Final
from uuid import UUID

import msgspec

from ledger.connection import Connection
from sync.engage import marks, pauses
from sync.engage.context import Context
from sync.engage.pauses import Direction
from sync.engage.settings import Mode
from sync.engage.storing import store
from sync.engage.transactions.deriving import derive_some
from sync.engage.transactions.storing import first_waiting, store_rows

READ = """
    -- Index: batch_pk, batch_next_action_idx.
    select id, kind, path, row_count, body from engage.batch
    where id = any($1::uuid[]) or tenant_id = $2 and state = 'stored' order by id limit $3
"""

REQUESTS_MAX: Final = 100


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """A request that would be made.

    Attributes:
        was_stored: It is stored already and waits to be sent; nothing in it will change.
        body: The exact bytes.
    """

    kind: str
    path: str
    row_count: int
    was_stored: bool
    body: bytes


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What would be sent now.

    Attributes:
        requests: In order; at most a thousand rows of what is new.
        unchanged: Marked accounts of which there is nothing new to tell.
        paused: Why nothing would be sent all the same.
    """

    requests: tuple[Rehearsed, ...]
    unchanged: int
    paused: str | None


class _UndoneError(Exception):
    """Takes the rehearsal past the undoing of all it did."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        super().__init__()
        self.rehearsal = rehearsal


async def rehearse(context: Context) -> Rehearsal:
    """Do everything up to sending, and undo it."""
    async with context.pool.acquire() as connection:
        try:
            async with connection.transaction():
                await _rehearse(context, connection)
        except _UndoneError as undone:
            return undone.rehearsal
    raise RuntimeError("a rehearsal was not undone")


async def _rehearse(context: Context, connection: Connection) -> None:
    paused = await pauses.why(connection, context.tenant.id, Direction.PUSH)
    made: list[UUID] = []
    unchanged = 0
    if context.options.mode is Mode.BALANCE_ONLY:
        now = await context.clock.read(connection)
        groups = marks.marked_groups(
            context.pool, list(context.definitions), context.options.batch_rows_max, now
        )
        async with aclosing(groups):
            async for group in groups:
                stored = await store(context, connection, group)
                made += stored.batches
                unchanged += stored.unchanged
                if made:
                    break
    else:
        await derive_some(context, connection)
        group_of_rows = await first_waiting(context, connection)
        batch = await store_rows(context, connection, group_of_rows) if group_of_rows else None
        made += [batch] if batch else []
    rows = await connection.fetch(READ, made, context.tenant.id, REQUESTS_MAX)
    requests = tuple(
        Rehearsed(
            kind=row["kind"],
            path=row["path"],
            row_count=row["row_count"],
            was_stored=row["id"] not in made,
            body=row["body"] or b"",
        )
        for row in rows
    )
    raise _UndoneError(Rehearsal(requests=requests, unchanged=unchanged, paused=paused))

"""Clearing up: what is old enough is removed, a few thousand rows at a time.

The one hard idea: by what a repeat is recognised outlives the event itself, and is no personal
data, so an event's content can go early and a late repeat is still one. What waits is never
removed, however old.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ledger.connection import Pool
from sync.relay.events import first_id
from sync.relay.intake import EventState
from sync.relay.options import RetentionOptions

ROWS_MAX: Final = 5000
ROUNDS_MAX: Final = 200
"""How often in one go; what is left is for the next time."""

EVENTS: Final = """
    -- Index: event_pk.
    delete from relay.event where id in (
        select id from relay.event where id < $1 and state = any($2::text[])
        order by id limit $3
    )
"""

BULKS: Final = """
    -- Index: bulk_pk.
    delete from relay.bulk where id in (
        select id from relay.bulk where id < $1 and state <> 'sending' order by id limit $2
    )
"""

SEEN: Final = """
    -- Keys that can't come again, or count as new if they do. Index: seen_at_idx.
    delete from relay.seen where (group_id, key) in (
        select group_id, key from relay.seen
        where at < $1 and coalesce(fresh_until < $2, true) limit $3
    )
"""

IDENTITIES: Final = """
    delete from relay.identity where (group_id, key) in (
        select group_id, key from relay.identity where expires_at < $1 limit $2
    )
"""

PROFILES: Final = """
    -- No event so old is left that could be mistaken for a newer one. Index: profile_as_of_idx.
    delete from relay.profile where (destination_id, customer, attribute) in (
        select destination_id, customer, attribute from relay.profile where as_of < $1 limit $2
    )
"""

TALLIES: Final = "delete from relay.tally where minute < $1"

FILES: Final = "delete from relay.file where taken_at < $1"

TALLY_DAYS: Final = 14
FILE_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class Cleared:
    """How many rows were removed."""

    events: int
    keys: int
    others: int


async def clear_up(pool: Pool, options: RetentionOptions, now: datetime) -> Cleared:
    """Remove what is old enough."""
    delivered = now - timedelta(days=options.delivered_days)
    troubled = now - timedelta(days=options.troubled_days)
    dedupe = now - timedelta(days=options.dedupe_days)
    done = [EventState.DELIVERED.value, EventState.IGNORED.value]
    aside = [EventState.QUARANTINED.value, EventState.DEAD.value]
    events = await _again_and_again(pool, EVENTS, [first_id(delivered), done, ROWS_MAX])
    events += await _again_and_again(pool, EVENTS, [first_id(troubled), aside, ROWS_MAX])
    keys = await _again_and_again(pool, SEEN, [dedupe, now, ROWS_MAX])
    oldest = min(delivered, troubled) - timedelta(days=1)
    others = await _again_and_again(pool, BULKS, [first_id(delivered), ROWS_MAX])
    others += await _again_and_again(pool, IDENTITIES, [now, ROWS_MAX])
    others += await _again_and_again(pool, PROFILES, [oldest, ROWS_MAX])
    await pool.execute(TALLIES, now - timedelta(days=TALLY_DAYS))
    await pool.execute(FILES, now - timedelta(days=FILE_DAYS))
    return Cleared(events, keys, others)


async def _again_and_again(pool: Pool, statement: str, values: Sequence[object]) -> int:
    """Remove rows in short transactions until few enough are left."""
    removed = 0
    for _ in range(ROUNDS_MAX):
        done = await pool.execute(statement, *values)
        count = int(done.rpartition(" ")[2])
        removed += count
        if count < ROWS_MAX:
            break
    return removed

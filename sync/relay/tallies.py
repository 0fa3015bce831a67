"""How much comes in and goes out: counted in mind, added to the database every few seconds.

The one hard idea: a row each minute that every receipt had to change would make receipts wait for
each other, so a process counts for itself and adds up now and then. A killed process loses some
seconds of counting and nothing else.

The totals since the process began are for its metrics; rates over all replicas come from the table.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from ledger.connection import Connection
from sync.relay.register import DestinationId, SourceId

KINDS: Final = ("received", "repeats", "delivered", "quarantined", "dead", "maybe_repeated")

ADD: Final = """
    -- Index: tally_pk.
    insert into relay.tally as tally (
        minute, source_id, destination_id, received, repeats, delivered, quarantined, dead,
        maybe_repeated
    )
    select date_trunc('minute', $1::timestamptz), * from unnest(
        $2::smallint[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bigint[]
    ) as given (source_id, destination_id, received, repeats, delivered, quarantined, dead,
        maybe_repeated)
    order by source_id, destination_id
    on conflict (minute, source_id, destination_id) do update set
        received = tally.received + excluded.received,
        repeats = tally.repeats + excluded.repeats,
        delivered = tally.delivered + excluded.delivered,
        quarantined = tally.quarantined + excluded.quarantined,
        dead = tally.dead + excluded.dead,
        maybe_repeated = tally.maybe_repeated + excluded.maybe_repeated
"""

SUM: Final = """
    -- Index: tally_pk.
    select source_id, destination_id, sum(received)::bigint as received,
        sum(repeats)::bigint as repeats, sum(delivered)::bigint as delivered,
        sum(quarantined)::bigint as quarantined, sum(dead)::bigint as dead,
        sum(maybe_repeated)::bigint as maybe_repeated
    from relay.tally where minute >= $1 and minute < $2
    group by source_id, destination_id
"""


class Way(NamedTuple):
    """From where to where."""

    source: SourceId
    destination: DestinationId


Counted = Mapping[Way, Mapping[str, int]]
"""How often each kind of thing happened, by way."""


class Tally:
    """The counts of one process."""

    def __init__(self) -> None:
        self.totals: dict[tuple[Way, str], int] = defaultdict(int)
        self._fresh: dict[tuple[Way, str], int] = defaultdict(int)

    def count(self, way: Way, kind: str, number: int = 1) -> None:
        """Something happened so many times."""
        if number:
            self.totals[way, kind] += number
            self._fresh[way, kind] += number

    async def write(self, connection: Connection, now: datetime) -> None:
        """Add what is new to the database; on failure it is kept for the next time."""
        fresh, self._fresh = self._fresh, defaultdict(int)
        ways = sorted({way for way, _ in fresh})
        if not ways:
            return
        try:
            await connection.execute(
                ADD,
                now,
                [way.source for way in ways],
                [way.destination for way in ways],
                *[[fresh.get((way, kind), 0) for way in ways] for kind in KINDS],
            )
        except BaseException:
            for key, number in fresh.items():
                self._fresh[key] += number
            raise


async def sums(connection: Connection, since: datetime, until: datetime) -> Counted:
    """What happened in the minutes that began in a stretch of time, over all replicas."""
    rows = await connection.fetch(SUM, since, until)
    return {
        Way(SourceId(row["source_id"]), DestinationId(row["destination_id"])): {
            kind: row[kind] for kind in KINDS
        }
        for row in rows
    }

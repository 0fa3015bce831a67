"""What the program side's roll-ups cost.

Control: the same posting, in turns, with the roll-ups left out. The books it leaves behind are
wrong, and are dropped.
"""

from typing import Final
from unittest.mock import patch

from benchmarks.driving import CALLERS, Maker, drive, earns
from benchmarks.filling import filled
from benchmarks.ground import Ground, open_books
from benchmarks.result import Latency, Result, Rounds
from ledger import storing
from ledger.group_commit import LANES

GOAL: Final = 0.95


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts, count = ground.size(100_000, 20_000), ground.size(30_000, 10_000)
    template = await filled(ground, contacts, 1)
    rounds = Rounds()
    waits: list[float] = []
    async with ground.database(template) as database, open_books(database) as books:
        for number in range(2 * ground.rounds):
            maker = Maker(books, contacts, seed=number)
            await ground.checkpoint()
            mine = await drive(books, earns(maker, count), lanes=LANES)
            await ground.checkpoint()
            with patch.object(storing, "rollups", lambda _entries: {}):
                control = await drive(books, earns(maker, count), lanes=LANES)
            rounds.add(mine.rate, control.rate)
            waits += mine.waits
            ground.say(f"with {mine.rate:,.0f}, without {control.rate:,.0f}")
    return [
        rounds.result(
            "Booking with the program side's roll-ups, against without them",
            "transactions/s",
            bound=GOAL,
            keys=f"{contacts:,} contacts, uniform",
            load=f"{CALLERS} callers, a batch of 1000 each, {LANES} lanes",
            latency=Latency.of(waits),
        )
    ]

"""Every transaction on one contact: the hottest account there can be.

Control: our own uniform rate, in the same books, in turns.
"""

from typing import Final

from benchmarks.driving import CALLERS, Maker, drive, earns
from benchmarks.filling import contact, filled
from benchmarks.ground import Ground, open_books
from benchmarks.result import Latency, Result, Rounds
from ledger.group_commit import LANES

GOAL: Final = 0.50


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts, count = ground.size(100_000, 20_000), ground.size(30_000, 8_000)
    template = await filled(ground, contacts, 1)
    rounds = Rounds()
    waits: list[float] = []
    async with ground.database(template) as database, open_books(database) as books:
        for number in range(ground.rounds):
            maker = Maker(books, contacts, seed=number)
            on_one = [maker.earn(contact(1)) for _ in range(count)]
            mine = await drive(books, on_one, lanes=LANES)
            control = await drive(books, earns(maker, count), lanes=LANES)
            rounds.add(mine.rate, control.rate)
            waits += mine.waits
            ground.say(f"one contact {mine.rate:,.0f}, uniform {control.rate:,.0f}")
    return [
        rounds.result(
            "Booking everything on one contact, against our uniform rate",
            "transactions/s",
            bound=GOAL,
            keys="one contact",
            load=f"{CALLERS} callers, a batch of 1000 each, {LANES} lanes",
            latency=Latency.of(waits),
        )
    ]

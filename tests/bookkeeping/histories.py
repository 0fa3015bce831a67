"""Random histories on stored books, and points on both time axes to look at them from."""

import random
from datetime import datetime, timedelta

from ledger.facts import Transaction
from ledger.history import recorded_of
from ledger.identity import HolderId
from tests.bookkeeping.desk import Desk, member
from tests.simulation.story import ACTIONS, DAY, RANGES, Step, Storyteller, scenes

CONTACTS = [member(1001), member(1002), member(1003)]
STEPS = 120
INSTANTS = 20


async def live(desk: Desk, draw: random.Random) -> list[datetime]:
    """Post a random history; answers the instants at which something was posted."""
    definitions = [one.id for one in desk.catalogue.definitions_of(desk.tenant)]
    teller = Storyteller(desk.tenant, CONTACTS, definitions)
    drawn = [
        Step(draw.choice(ACTIONS), **{name: draw.randint(0, last) for name, last in RANGES.items()})
        for _ in range(STEPS)
    ]
    instants = []
    for scene in scenes(drawn):
        teller.pass_time(scene.hours)
        assert desk.clock is not None
        desk.clock.instant = teller.now
        instants.append(teller.now)
        if scene.sweep:
            await desk.sweep()
        await desk.post(*[teller.tell(step).request for step in scene.steps], atomic=scene.atomic)
    return instants


def moments(
    draw: random.Random, instants: list[datetime]
) -> list[tuple[datetime, datetime | None]]:
    """Points on both axes: the past as known now, the past as known then, the future of then."""
    last = instants[-1]
    chosen: list[tuple[datetime, datetime | None]] = [(last, None), (last + 9 * DAY, None)]
    for _ in range(INSTANTS):
        effective_at = draw.choice(instants) + draw.randint(-20, 20) * DAY
        if draw.random() < 0.5:
            effective_at = effective_at.replace(hour=0, minute=0, second=0)
        recorded_at = draw.choice(instants) + draw.choice([0, 500]) * timedelta(milliseconds=1)
        chosen += [(effective_at, min(recorded_at, last)), (effective_at, None)]
    return chosen


async def chains(desk: Desk) -> dict[HolderId, list[Transaction]]:
    """Every holder's transactions."""
    async with desk.pool.acquire() as connection:
        rows = await connection.fetch("select id from ledger.holder")
        found = await recorded_of(connection, [HolderId(row["id"]) for row in rows])
    return {holder: [recorded.transaction for recorded in chain] for holder, chain in found.items()}

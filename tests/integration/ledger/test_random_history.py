"""A random life of a small program: after each phase everything that must hold is looked at.

A run is repeated by its seed: `SEED=… pytest tests/integration/ledger/test_random_history.py`.
"""

import os
import random
from datetime import datetime, timedelta

import msgspec
import pytest

from ledger.facts import Balance
from ledger.identity import ContactId
from ledger.outcomes import Replayed
from ledger.policies import Policy, Returns, Span, Validity
from ledger.postgres import Database
from ledger.requests import Request
from ledger.trial_balance import DefinitionTrial
from tests.bookkeeping.desk import Clock, Desk, member, opened, shop

CONTACTS = [member(1001), member(1002), member(1003)]
PHASES = 5
BATCHES_A_PHASE = 9


class Life:
    """Draws the requests of a history, some late, some returning earlier ones, some repeated."""

    def __init__(self, seed: int, desk: Desk, clock: Clock) -> None:
        self.draw = random.Random(seed)
        self.desk = desk
        self.clock = clock
        self.earned: list[tuple[ContactId, str]] = []
        self.asked: list[Request] = []

    def batch(self) -> list[Request]:
        """Up to eight requests of one moment."""
        self.clock.instant += timedelta(hours=self.draw.randint(0, 30))
        return [self.request() for _ in range(self.draw.randint(1, 8))]

    def request(self) -> Request:
        """One request."""
        if self.asked and self.draw.random() < 0.1:
            return self.draw.choice(self.asked)
        made = self.made()
        self.asked.append(made)
        return made

    def made(self) -> Request:
        """A request that was not asked before."""
        draw, till = self.draw, self.desk.till
        contact = draw.choice(CONTACTS)
        on = None
        if draw.random() < 0.5:
            on = self.clock.instant - timedelta(hours=draw.randint(0, 100))
        kind = draw.random()
        if kind < 0.4:
            return self.purchase(contact, on)
        if kind < 0.7:
            owing = draw.random() < 0.2
            return till.redeem(contact, draw.randint(1, 60), on=on, allow_debt=owing)
        if kind < 0.8 or not self.earned:
            return till.adjust(contact, draw.choice([-1, 1]) * draw.randint(1, 50), on=on)
        contact, purchase = draw.choice(self.earned)
        if draw.random() < 0.4:
            return till.give_back(contact, of=purchase, on=on, part=draw.randint(1, 4), whole=4)
        amount = draw.randint(1, 30) if draw.random() < 0.7 else None
        return till.give_back(contact, amount, of=purchase, on=on)

    def purchase(self, contact: ContactId, on: datetime | None) -> Request:
        """An earn by the policy, pending at times."""
        earn = self.desk.till.earn_by_policy(contact, self.draw.randint(1, 100), on=on)
        self.earned.append((contact, earn.idempotency_key))
        if self.draw.random() < 0.4:
            begins = (on or self.clock.instant) + timedelta(hours=self.draw.randint(0, 50))
            return msgspec.structs.replace(earn, valid_from=begins)
        return earn


async def standing(desk: Desk) -> tuple[list[Balance], tuple[DefinitionTrial, ...]]:
    """What everyone has, and the trial balance."""
    trial = await desk.trial()
    assert trial.is_balanced
    return [await desk.held(contact) for contact in CONTACTS], trial.definitions


@pytest.mark.parametrize("returns", list(Returns))
async def test_everything_holds_after_each_phase_of_a_random_history(
    database: Database, returns: Returns
) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}")  # noqa: T201 — pytest shows it when the test fails
    policy = Policy(
        validity=Validity(span=Span.DAYS, length=3),
        returns=returns,
        debt_limit=None if seed % 2 else 40,
    )
    async with opened(database, shop(policy=policy, zone="Europe/Stockholm")) as desk:
        assert desk.clock is not None
        life = Life(seed, desk, desk.clock)
        posted: list[list[Request]] = []
        before = await standing(desk)
        for _ in range(PHASES):
            for _ in range(BATCHES_A_PHASE):
                posted.append(life.batch())
                await desk.post(*posted[-1])
                if life.draw.random() < 0.2:
                    await desk.sweep()
            before = await standing(desk)
            await desk.sweep()
            assert await standing(desk) == before
            assert await desk.findings() == []
        await everything_again(desk, posted)
        assert await standing(desk) == before
        assert await desk.findings() == []


async def everything_again(desk: Desk, posted: list[list[Request]]) -> None:
    """Post every batch again: what was booked is answered as before, and nothing is booked twice.

    What was refused may be booked now; so only what was booked before is asked again.
    """
    for batch in posted:
        async with desk.pool.acquire() as connection:
            kept = await connection.fetch(
                "select idempotency_key from ledger.transaction where idempotency_key = any($1)",
                [one.idempotency_key for one in batch],
            )
        booked = {row["idempotency_key"] for row in kept}
        outcomes = await desk.post(*[one for one in batch if one.idempotency_key in booked])
        assert not [one for one in outcomes if not isinstance(one, Replayed)], outcomes

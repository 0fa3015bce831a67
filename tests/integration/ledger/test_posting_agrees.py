"""What posting loads is enough: it decides as a book on paper does that has everything at hand.

Posting loads lots, movements and originals only as far as a batch may need them. The same random
history goes through it and through `Paper`, and every transaction must come out the same.
"""

import os
import random
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from ledger.facts import Transaction
from ledger.identity import HolderId
from ledger.outcomes import Booked, Outcome
from ledger.policies import Policy, Returns, Span, Validity
from ledger.postgres import Database
from ledger.requests import Request
from tests.bookkeeping.desk import Desk, opened, shop, ways
from tests.bookkeeping.paper import MEMBER, Paper, definition

NOBODY = HolderId(UUID(int=0))


def alike(transaction: Transaction) -> Transaction:
    """A transaction less what is drawn by chance."""
    reverses = None if transaction.reverses is None else NOBODY
    return replace(transaction, id=NOBODY, holder=NOBODY, reverses=reverses)


def told(outcomes: list[Outcome]) -> list[Transaction | str]:
    return [
        alike(one.transaction) if isinstance(one, Booked) else word
        for one, word in zip(outcomes, ways(outcomes), strict=True)
    ]


def drawn(draw: random.Random, desk: Desk, purchases: list[str]) -> Request:
    """A request, often late, about points that live from hours to days."""
    assert desk.clock is not None
    now = desk.clock.instant
    on = None if draw.random() < 0.4 else now - timedelta(hours=draw.randint(0, 150))
    kind = draw.random()
    if kind < 0.45:
        earn = desk.till.earn(MEMBER, draw.randint(1, 100), on=on)
        purchases.append(earn.idempotency_key)
        begins = (on or now) + timedelta(hours=draw.choice([0, 0, draw.randint(1, 60)]))
        ends = begins + timedelta(hours=draw.randint(1, 120))
        return msgspec.structs.replace(
            earn,
            valid_from=None if draw.random() < 0.5 and on is None else begins,
            valid_to=None if draw.random() < 0.3 else ends + timedelta(hours=1),
        )
    if kind < 0.7:
        return desk.till.redeem(MEMBER, draw.randint(1, 60), on=on, allow_debt=draw.random() < 0.3)
    if kind < 0.8 or not purchases:
        return desk.till.adjust(MEMBER, draw.choice([-1, 1]) * draw.randint(1, 50), on=on)
    of = draw.choice(purchases)
    if draw.random() < 0.4:
        return desk.till.give_back(MEMBER, of=of, on=on, part=draw.randint(1, 4), whole=4)
    return desk.till.give_back(MEMBER, draw.choice([None, draw.randint(1, 30)]), of=of, on=on)


@pytest.mark.parametrize("returns", list(Returns))
async def test_posting_decides_as_a_book_that_has_everything_at_hand(
    database: Database, returns: Returns
) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}")  # noqa: T201 — pytest shows it when the test fails
    draw = random.Random(seed)
    policy = Policy(
        validity=Validity(span=Span.DAYS, length=2),
        returns=returns,
        debt_limit=draw.choice([None, 40]),
    )
    async with opened(database, shop(policy=policy)) as desk:
        assert desk.clock is not None
        paper = Paper(definition(policy))
        purchases: list[str] = []
        asked: list[Request] = []
        for _ in range(int(os.environ.get("STEPS") or 60)):
            desk.clock.instant += timedelta(hours=draw.choice([0, 1, draw.randint(0, 40)]))
            paper.book.now = desk.clock.instant
            if draw.random() < 0.2:
                await desk.sweep()
                paper.sweep()
            batch = [drawn(draw, desk, purchases) for _ in range(draw.randint(1, 6))]
            if asked and draw.random() < 0.2:
                batch.append(draw.choice(asked))
            asked += batch
            assert told(await desk.post(*batch)) == told([paper.post(one) for one in batch])
        history = [alike(one) for one in await desk.history(MEMBER)]
        assert history == [alike(entry.transaction) for entry in paper.entries]
        assert await desk.findings() == []
        assert paper.impossible_instants() == []

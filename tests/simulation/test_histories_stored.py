"""Random histories on a real PostgreSQL: after each step, stored books and model say the same."""

import random

import pytest

from ledger.postgres import Database
from tests.simulation.stored import drawn_steps, stored_history, tell_stored


@pytest.mark.parametrize("seed", range(4))
async def test_stored_books_and_model_agree_after_each_step(database: Database, seed: int) -> None:
    draw = random.Random(seed)
    async with stored_history(database, [draw.randrange(4) for _ in range(3)]) as history:
        await tell_stored(history, drawn_steps(draw, 80))


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(100, 140))
async def test_stored_books_and_model_agree_through_long_histories(
    database: Database, seed: int
) -> None:
    draw = random.Random(seed)
    async with stored_history(database, [draw.randrange(4) for _ in range(3)]) as history:
        await tell_stored(history, drawn_steps(draw, 300))

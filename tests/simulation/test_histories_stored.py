"""Random histories on a real PostgreSQL: after each step, stored books and model say the same."""

import random
from uuid import UUID

import pytest

from ledger.identity import ContactId
from ledger.postgres import Database
from tests.simulation.stored import drawn_steps, stored_history, tell_stored
from tests.simulation.story import ACTIONS


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


@pytest.mark.parametrize("seed", range(3))
async def test_contacts_are_merged_as_the_model_says(database: Database, seed: int) -> None:
    await merge_along_the_way(database, seed, steps=90)


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(200, 240))
async def test_contacts_are_merged_as_the_model_says_through_long_histories(
    database: Database, seed: int
) -> None:
    await merge_along_the_way(database, seed, steps=250)


async def merge_along_the_way(database: Database, seed: int, steps: int) -> None:
    draw = random.Random(seed)
    policies = [draw.randrange(4) for _ in range(3)]
    contacts = [ContactId(UUID(int=1001 + number)) for number in range(8)]
    actions = (*ACTIONS, *["merging"] * 3)
    async with stored_history(database, policies, contacts) as history:
        told = [
            step._replace(contact=draw.randrange(8)) for step in drawn_steps(draw, steps, actions)
        ]
        await tell_stored(history, told)

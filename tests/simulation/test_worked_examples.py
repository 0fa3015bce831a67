"""The worked examples of `docs/books.md`, by the model and by the books, exactly as they stand."""

from pathlib import Path

import asyncpg
import pytest

from ledger.postgres import Database
from tests.simulation.journal import Example, examples
from tests.simulation.performing import ModelStage, PaperStage, StoredStage, kinds_of, perform
from tests.simulation.stored import declare_kinds

EXAMPLES = list(examples(Path(__file__).parents[2] / "docs" / "books.md"))
ON_PAPER = [one for one in EXAMPLES if not any(line.merges for line in one.lines)]


@pytest.mark.parametrize("example", EXAMPLES, ids=[one.name for one in EXAMPLES])
async def test_an_example_holds_in_the_model(example: Example) -> None:
    stage = ModelStage(kinds_of(example), example.lines[0].recorded)
    await perform(stage, example, swept=False)


@pytest.mark.parametrize("swept", [False, True], ids=["as it falls due", "swept after each line"])
@pytest.mark.parametrize("example", ON_PAPER, ids=[one.name for one in ON_PAPER])
async def test_an_example_holds_in_the_books(example: Example, *, swept: bool) -> None:
    stage = PaperStage(kinds_of(example), example.lines[0].recorded)
    await perform(stage, example, swept=swept)


@pytest.mark.parametrize("example", EXAMPLES, ids=[one.name for one in EXAMPLES])
async def test_an_example_holds_in_stored_books(database: Database, example: Example) -> None:
    async with asyncpg.create_pool(database.dsn_service, min_size=0, max_size=2) as pool:
        async with pool.acquire() as connection:
            catalogue = await declare_kinds(connection, kinds_of(example))
        stage = StoredStage(pool, catalogue, example.lines[0].recorded)
        await perform(stage, example, swept=False)


def test_the_page_has_examples_of_every_section_with_rules() -> None:
    sections = {example.name.split(".")[0] for example in EXAMPLES}
    assert sections >= {str(number) for number in range(2, 14)}

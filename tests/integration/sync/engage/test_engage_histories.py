"""Whatever happens in the books, Engage shows what they have, to the point, pending included."""

import random

import pytest

from sync.engage.total_options import TotalOptions
from tests.following.histories import CONTACTS, live
from tests.following.program import Program, Sandbox

STEPS = 150


@pytest.mark.parametrize(
    ("seed", "counted"),
    [
        (1, TotalOptions()),
        (2, TotalOptions()),
        (3, TotalOptions(count_held=True)),
        (4, TotalOptions(below_zero=True)),
        (5, TotalOptions(count_held=True, below_zero=True)),
    ],
)
async def test_rows_of_random_histories_add_up(
    rows_program: Program, engage: Sandbox, seed: int, counted: TotalOptions
) -> None:
    engage.know(*CONTACTS)
    follower = await rows_program.follower(total=counted)
    compared = await live(rows_program, engage, follower, random.Random(seed), STEPS)
    assert compared > 20
    assert engage.findings()["counts"] == {}

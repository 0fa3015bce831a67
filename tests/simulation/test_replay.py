"""A shop's real year, line by line: in the end every customer has what a plain reckoning says."""

from collections import Counter

import pytest

from ledger.postgres import Database
from sandbox.shop.lines import read_lines
from sandbox.shop.lines import replay as happened
from tests.simulation.replay import LINES, replay

ONE_CUSTOMER_IN = 16
LINES_MAX = 50
MODELLED_LINES_MAX = 20


async def test_a_hundred_customers_and_more_live_through_the_year(database: Database) -> None:
    lines = [
        line
        for line in read_lines()
        if line.customer_id is not None and int(line.customer_id) % ONE_CUSTOMER_IN == 0
    ]
    counted = Counter(line.customer_id for line in lines)
    few = [line for line in lines if counted[line.customer_id] <= LINES_MAX]
    short = {one for one, count in counted.items() if one and count <= MODELLED_LINES_MAX}
    figures = await replay(database.dsn_service, happened(few), short)
    print(figures)  # noqa: T201 # pytest shows it with -s or when the test fails
    assert figures.customers > 100
    assert figures.modelled > 50
    assert min(figures.answers[kind] for kind in ("Redeem", "Return", "Adjust")) > 10
    assert figures.points["expired"] > 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
async def test_every_customer_lives_through_the_year(database: Database) -> None:
    figures = await replay(database.dsn_service, happened(read_lines()))
    print(figures)  # noqa: T201 # pytest shows it with -s or when the test fails
    assert sum(figures.lines.values()) == LINES
    assert figures.lines["CancelledLine"] == 8_905
    assert figures.customers > 4_300
    assert figures.answers["Redeem"] > 2_000
    assert figures.points["expired"] > 0

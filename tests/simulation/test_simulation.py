"""Clerks post at once and die, the server dies, and nothing is lost, doubled or told wrong."""

import asyncio
import os
from pathlib import Path

import pytest

from tests.simulation.run import Summary, own_server, simulate

MAJOR = int(os.environ.get("POINTMASTER_TEST_POSTGRES", "18"))

pytestmark = pytest.mark.database


def live_through(folder: Path, seed: int, steps: int) -> Summary:
    with own_server(folder / "postgres", MAJOR) as server:
        return asyncio.run(simulate(server, seed, steps))


def test_books_survive_what_kills_clerks_and_server(tmp_path: Path) -> None:
    summary = live_through(tmp_path, seed=3, steps=240)
    assert summary.clerk_deaths > 3
    assert summary.server_deaths > 0
    assert summary.transactions > 150


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 106))
def test_books_survive_long_lives(tmp_path: Path, seed: int) -> None:
    summary = live_through(tmp_path, seed, steps=2000)
    assert summary.clerk_deaths > 20

"""A small storm; `python -m tests.relay_soak` lets a long one loose."""

from pathlib import Path

import pytest

from ledger.postgres import Database
from sandbox.launch import launched
from tests.relay_soak import UNLIMITED
from tests.relaying.storm import Size, Storm

SEED = 20_261_121


@pytest.mark.any_postgres
@pytest.mark.timeout(300)
async def test_nothing_is_lost_or_doubled_in_a_storm(database: Database, tmp_path: Path) -> None:
    with launched("moengage", *UNLIMITED) as moengage:
        size = Size(events=1500, customers=150, kill_every=600)
        outcome = await Storm(size, SEED, database, moengage, tmp_path).run()
    assert outcome.wrong == [], f"play it again with seed {SEED}"
    assert outcome.arrived == outcome.sent == 1500


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_nothing_is_lost_or_doubled_in_a_million_events(
    database: Database, tmp_path: Path
) -> None:
    with launched("moengage", "--set", "keepBodies=false", *UNLIMITED) as moengage:
        size = Size(events=1_000_000, customers=25_000, together=100, senders=12)
        outcome = await Storm(size, SEED, database, moengage, tmp_path).run()
    assert outcome.wrong == [], f"play it again with seed {SEED}"

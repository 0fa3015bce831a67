"""What tests of the own server share: the major version and a data folder."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.postgres.server import prepare


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.database)


@pytest.fixture
def major() -> int:
    return int(os.environ.get("POINTMASTER_TEST_POSTGRES", "18"))


@pytest.fixture
def data_folder(tmp_path: Path, major: int) -> Iterator[Path]:
    """A place for a data folder; what still runs in it after the test is stopped."""
    folder = tmp_path / "data"
    yield folder
    with contextlib.suppress(Exception):
        prepare(folder, major=major).stop()

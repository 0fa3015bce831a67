"""What tests of the own server share: the major version and a data folder."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.postgres import Profile, start
from ledger.postgres.server import prepare


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.database)


@pytest.fixture(scope="session")
def major() -> int:
    return int(os.environ.get("POINTMASTER_TEST_POSTGRES", "18"))


@pytest.fixture(scope="session")
def finished_cluster(tmp_path_factory: pytest.TempPathFactory, major: int) -> Path:
    """A cluster just made and stopped, to be copied: making one takes a second."""
    folder = tmp_path_factory.mktemp("finished") / "data"
    start(folder, major=major, profile=Profile.TESTS).stop()
    return folder / "cluster"


@pytest.fixture
def new_folder(tmp_path: Path, major: int) -> Iterator[Path]:
    """A place for a data folder; what still runs in it after the test is stopped."""
    folder = tmp_path / "data"
    yield folder
    with contextlib.suppress(Exception):
        prepare(folder, major=major).stop()


@pytest.fixture
def data_folder(new_folder: Path, finished_cluster: Path) -> Path:
    """A data folder with an empty cluster in it."""
    new_folder.mkdir(mode=0o700)
    shutil.copytree(finished_cluster, new_folder / "cluster")
    owner = finished_cluster.stat()
    for place in (new_folder / "cluster", *(new_folder / "cluster").rglob("*")):
        os.chown(place, owner.st_uid, owner.st_gid)
    return new_folder

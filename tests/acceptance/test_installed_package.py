"""The project works as an installed package, away from its source tree."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MIGRATE = """
import asyncio, sys
from pathlib import Path
import migrations
from ledger.postgres import Profile, open_database
from migrations.upgrade import migrate, pending

async def main():
    async with open_database(folder=Path(sys.argv[1]), profile=Profile.TESTS) as database:
        applied = await migrate(database.dsn_owner)
        assert await pending(database.dsn_service) == ()
        print(Path(migrations.__file__).parent, *applied)

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from a copy of the tree and unpacked as pip does it."""
    source = tmp_path_factory.mktemp("source")
    subprocess.run(
        "git ls-files -z --cached --others --exclude-standard"
        " | tar --null --files-from=- --ignore-failed-read -cf -"
        f" | tar -C '{source}' -xf -",
        shell=True,
        check=True,
        cwd=ROOT,
    )
    target = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-build-isolation", "--target", str(target), str(source)),
        ],
        check=True,
    )
    return target


def test_an_empty_database_is_migrated_by_the_installed_package(
    installed: Path, tmp_path: Path
) -> None:
    said = subprocess.run(
        [sys.executable, "-c", MIGRATE, str(tmp_path / "data")],
        check=True,
        capture_output=True,
        text=True,
        cwd="/",
        env={"PYTHONPATH": str(installed)},
    )
    where, *applied = said.stdout.split()
    assert where == str(installed / "migrations")
    written = sorted((ROOT / "migrations" / "versions").glob("[0-9]*.py"))
    assert applied == [path.name.partition("_")[0] for path in written]


def test_everything_the_packages_carry_is_in_it(installed: Path) -> None:
    carried = {
        path.relative_to(ROOT)
        for package in ("api", "ledger", "migrations", "sandbox", "sync")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != ".gitkeep"
    }
    missing = sorted(str(path) for path in carried if not (installed / path).exists())
    assert missing == []


def test_nothing_else_is_in_it(installed: Path) -> None:
    packages = {"api", "ledger", "migrations", "sandbox", "sync"}
    found = {path.name for path in installed.iterdir()} - {"bin"}
    (about,) = [name for name in found if name.endswith(".dist-info")]
    assert found == {*packages, about}
    assert (installed / about / "licenses" / "LICENSE").is_file()

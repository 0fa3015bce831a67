"""Which account runs the server, and how it gets at what it needs without anyone opening doors."""

import asyncio
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.postgres import Profile, Server, connect, start
from ledger.postgres.account import Account, account_for, can_reach
from ledger.postgres.binaries import Programs, copy_place, forget, installed, reachable
from ledger.postgres.folder import prepared
from ledger.postgres.locks import is_free
from ledger.postgres.problems import EmbeddedServerError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand the server over")
as_ordinary_user = pytest.mark.skipif(os.geteuid() == 0, reason="root may act for every owner")

# The programs were found, and everything imported, while still root: an ordinary account may have
# no way to where this project is installed.
AS_NOBODY = """
import asyncio, os, sys
from pathlib import Path
from ledger.postgres import Profile, Server, connect
from ledger.postgres.account import account_of
from ledger.postgres.binaries import installed, reachable
from ledger.postgres.folder import prepared

folder, major, nobody = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
programs = reachable(installed(major), account_of(nobody), sys.argv[4])

async def who() -> str:
    connection = await connect(server.dsn_service)
    answer = await connection.fetchval("SELECT current_user")
    await connection.close()
    return answer

asyncio.run(asyncio.sleep(0))
os.setgroups([])
os.setgid(account_of(nobody).gid)
os.setuid(nobody)
server = Server(prepared(folder), programs, Profile.TESTS)
server.enter()
print(asyncio.run(who()), (folder / "cluster").stat().st_uid, flush=True)
server.stop()
"""


@pytest.fixture
def nobody() -> Account:
    return account_for(0)


@pytest.fixture
def for_root_only() -> Iterator[Path]:
    """A folder no other account can walk through."""
    folder = Path(tempfile.mkdtemp(prefix="pointmaster-root-"))
    yield folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700, "somebody opened a folder that is not ours"
    shutil.rmtree(folder)


async def answer(server: Server) -> str:
    connection = await connect(server.dsn_service)
    try:
        return str(await connection.fetchval("SELECT current_user"))
    finally:
        await connection.close()


@as_root
def test_root_hands_the_server_to_another_account_in_a_folder_it_could_not_reach(
    for_root_only: Path, nobody: Account, major: int
) -> None:
    folder = for_root_only / "deep" / "data"
    assert not can_reach(nobody, for_root_only)
    server = start(folder, major=major, profile=Profile.TESTS)
    try:
        assert asyncio.run(answer(server)) == "pointmaster_service"
        assert (folder / "cluster").stat().st_uid == nobody.uid != 0
        assert stat.S_IMODE(folder.parent.stat().st_mode) & 0o022 == 0
    finally:
        server.stop()
    assert is_free(folder / "alive.lock")


@as_root
def test_programs_out_of_reach_are_copied_and_the_copy_goes_with_the_server(
    for_root_only: Path, major: int
) -> None:
    as_installed = installed(major).folder
    hidden = for_root_only / as_installed.parent.name / as_installed.name
    shutil.copytree(as_installed, hidden)
    libraries = f"{as_installed.parent.name}.libs"
    shutil.copytree(as_installed.parent.with_name(libraries), for_root_only / libraries)

    server = Server(prepared(for_root_only / "data"), Programs(major, hidden), Profile.TESTS)
    copy = copy_place(server.folder.identity)
    server.enter()
    try:
        assert asyncio.run(answer(server)) == "pointmaster_service"
        assert copy.stat().st_uid == 0
        assert stat.S_IMODE(copy.stat().st_mode) == 0o755
    finally:
        server.stop()
    assert not copy.exists()


@as_root
def test_programs_within_reach_run_where_they_are(nobody: Account, major: int) -> None:
    programs = installed(major)
    if not can_reach(nobody, programs.folder):
        pytest.skip("this project is installed where no other account can go")
    assert reachable(programs, nobody, "not-used") is programs
    assert not copy_place("not-used").exists()


@as_root
def test_an_ordinary_user_runs_the_server_as_themselves(nobody: Account, major: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        os.chown(home, nobody.uid, nobody.gid)
        folder = Path(home, "data")
        try:
            said = subprocess.run(
                [
                    sys.executable,
                    "-c",
                    AS_NOBODY,
                    str(folder),
                    str(major),
                    str(nobody.uid),
                    "tests",
                ],
                check=True,
                capture_output=True,
                text=True,
                timeout=60,
            )
        finally:
            forget("tests")
        assert said.stdout == f"pointmaster_service {nobody.uid}\n"

        # Root may use that folder too, and acts for its owner.
        server = start(folder, major=major, profile=Profile.TESTS)
        try:
            assert server.folder.account == nobody
            assert asyncio.run(answer(server)) == "pointmaster_service"
        finally:
            server.stop()
        owners = {entry.stat().st_uid for entry in folder.iterdir()}
        assert owners == {nobody.uid}, "the owner could not use the folder any more"


@as_root
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="takes rights away with setpriv")
def test_root_without_the_right_to_change_accounts_is_told_so(new_folder: Path, major: int) -> None:
    """As in a container that was given no capabilities."""
    start = f"start(Path({str(new_folder)!r}), major={major})"
    said = subprocess.run(
        [
            *("setpriv", "--bounding-set=-setuid,-setgid", sys.executable, "-c"),
            f"from pathlib import Path\nfrom ledger.postgres import start\n{start}",
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "EmbeddedServerError: initdb could not be run as" in said.stderr
    assert "set DATABASE_URL" in said.stderr


@as_ordinary_user
def test_an_ordinary_user_may_not_use_the_folder_of_another() -> None:
    with pytest.raises(EmbeddedServerError, match="belongs to user id 0"):
        account_for(0)


def test_a_user_id_without_a_name_is_told_why_it_can_not_be() -> None:
    nameless = next(uid for uid in range(59_999, 50_000, -1) if not _has_name(uid))
    if os.geteuid() != 0:
        pytest.skip("only root may act for another account")
    with pytest.raises(EmbeddedServerError, match=f"{nameless} has no name"):
        account_for(nameless)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True

"""What every test may use: one PostgreSQL server, and for each test a database of its own.

One server, of the major version named by `POINTMASTER_TEST_POSTGRES` (18 by default), is shared by
all of pytest's worker processes and gone when the run ends, however it ends. The first to need it
migrates a template, and each test's database is a copy of that: a few milliseconds instead of a
migration. Whatever uses one of these databases is marked `database`, and runs on every version
unless it is marked `any_postgres` too.

What a run writes lies in memory where there is room for it: hundreds of databases are copied and
dropped, and on a disk that alone takes minutes. What survives a kill of processes is the same.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings

from ledger.postgres import OWNER_ROLE, SERVICE_ROLE, Database, Profile, Server, connect, start
from ledger.postgres.locks import is_free
from ledger.postgres.server import prepare
from migrations.upgrade import migrate

MAJOR = int(os.environ.get("POINTMASTER_TEST_POSTGRES", "18"))
TEMPLATE = "template_of_tests"
FOLDER = pytest.StashKey[Path]()
# A slow machine is no counterexample; a found one is printed so that it can be played again.
settings.register_profile("pointmaster", deadline=None, database=None, print_blob=True)
settings.load_profile("pointmaster")

PREFIX = "pointmaster-tests-"
STOP_SECONDS_MAX = 15.0
OLD_SECONDS = 6 * 3600.0
TMPDIR = os.environ.get("TMPDIR", "")
"""Where temporary files are to be, if somebody said so; then neither more nor less is done."""

MEMORY = Path("/dev/shm")
MEMORY_BYTES_MIN = 6_000_000_000
"""What must be free for a run to use memory: several times of what it was seen to take."""


def pytest_configure(config: pytest.Config) -> None:
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput is None:
        end_what_killed_runs_left()
        place = place_of_run(config)
        config.stash[FOLDER] = folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        # What a few tests leave is perhaps looked into; where many run, nobody does.
        is_large = bool(getattr(config.option, "numprocesses", None))
        if place is not None and is_large and config.option.basetemp is None:
            # Short, since the address of a socket may have no more than 107 bytes.
            config.option.basetemp = str(folder / "t")
    else:
        config.stash[FOLDER] = Path(workerinput["run_folder"])


def place_of_run(config: pytest.Config) -> Path | None:
    """Memory, if it is roomy enough and programs may lie there; else wherever is usual."""
    is_long = config.option.markexpr == "soak"
    if is_long or TMPDIR or not os.access(MEMORY, os.W_OK | os.X_OK):
        return None
    found = os.statvfs(MEMORY)
    free = min(found.f_bavail * found.f_frsize, memory_available())
    return MEMORY if free >= MEMORY_BYTES_MIN and not found.f_flag & os.ST_NOEXEC else None


def memory_available() -> int:
    """Bytes the machine could give away now, as Linux estimates it; 0 where it does not."""
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 0


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["run_folder"] = str(node.config.stash[FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return
    folder = config.stash[FOLDER]
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while (folder / "postgres").exists() and time.monotonic() < deadline:
        # Stops the server unless a worker still uses it; ours never did.
        prepare(folder / "postgres", major=MAJOR).stop()
        if is_free(folder / "postgres" / "alive.lock"):
            break
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def end_what_killed_runs_left() -> None:
    """A run killed with all its workers can't clean up after itself; the next run does."""
    for place in (Path(TMPDIR),) if TMPDIR else (MEMORY, Path(tempfile.gettempdir())):
        for folder in place.glob(f"{PREFIX}*/postgres"):
            with suppress(FileNotFoundError):  # another run that starts now was quicker
                ours = folder.stat().st_uid == os.geteuid() and is_free(folder / "users.lock")
                is_old = time.time() - folder.stat().st_mtime > OLD_SECONDS
                if ours and (is_old or not is_free(folder / "alive.lock")):
                    prepare(folder, major=MAJOR).stop()
                    shutil.rmtree(folder.parent)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Have a turn among pytest's worker processes."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def postgres(pytestconfig: pytest.Config) -> Iterator[Server]:
    """The server of this run."""
    server = start(pytestconfig.stash[FOLDER] / "postgres", major=MAJOR, profile=Profile.TESTS)
    yield server
    server.stop()


async def create_database(server: Server, name: str, template: str) -> Database:
    """A database of the server, owned as in production."""
    administration = await connect(server.dsn_superuser)
    try:
        # Copying files takes a third of the time of the default, which logs every page.
        await administration.execute(
            f"CREATE DATABASE {name} OWNER {OWNER_ROLE} TEMPLATE {template} STRATEGY file_copy"
        )
        await administration.execute(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
        await administration.execute(
            f"GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {SERVICE_ROLE}"
        )
    finally:
        await administration.close()
    return Database(
        dsn_owner=server.dsn(OWNER_ROLE, name),
        dsn_service=server.dsn(SERVICE_ROLE, name),
        service_role=SERVICE_ROLE,
        major=server.major,
        embedded=True,
        single_role=False,
    )


async def drop_database(server: Server, name: str) -> None:
    administration = await connect(server.dsn_superuser)
    try:
        await administration.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await administration.close()


async def ensure_template(server: Server, lock: Path) -> None:
    """The migrated template, made by whoever comes first."""
    with one_at_a_time(lock):
        administration = await connect(server.dsn_superuser)
        try:
            if await administration.fetchval(
                "SELECT datistemplate FROM pg_database WHERE datname = $1", TEMPLATE
            ):
                return
            await administration.execute(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)")
            database = await create_database(server, TEMPLATE, "template1")
            await migrate(database.dsn_owner)
            await administration.execute(
                f"ALTER DATABASE {TEMPLATE} IS_TEMPLATE true ALLOW_CONNECTIONS false"
            )
        finally:
            await administration.close()


@pytest.fixture
async def database(postgres: Server, pytestconfig: pytest.Config) -> AsyncIterator[Database]:
    """A migrated, empty database for this test alone."""
    await ensure_template(postgres, pytestconfig.stash[FOLDER] / "template.lock")
    name = f"test_{uuid4().hex}"
    yield await create_database(postgres, name, TEMPLATE)
    await drop_database(postgres, name)


@pytest.fixture
async def bare_database(postgres: Server) -> AsyncIterator[Database]:
    """A database for this test alone in which nothing was migrated yet."""
    name = f"test_{uuid4().hex}"
    yield await create_database(postgres, name, "template1")
    await drop_database(postgres, name)

"""Several processes on one port: all answer, a killed one is replaced, and nothing is left."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.supervising import Supervisor, WorkerEndedError
from ledger.postgres import Database
from ledger.postgres.locks import is_free
from tests.doors.commands import CONFIGURATION, Commands
from tests.doors.house import configuration_of

pytestmark = pytest.mark.any_postgres

SECONDS_MAX = 60

CONTACT = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"


class Crew:
    """A parent with two workers."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self.process = process
        self._log = log
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Listening on "):
                self.address = line.removeprefix("Listening on ").strip()
                return
        raise AssertionError(self.said)

    @property
    def said(self) -> str:
        """What was logged so far."""
        return self._log.read_text(encoding="utf-8")

    def workers(self, count: int, *, without: int = 0) -> list[int]:
        """The processes that answer, once there are so many."""
        wait_until(lambda: len(self._workers() - {without}) == count)
        return sorted(self._workers() - {without})

    def _workers(self) -> set[int]:
        started = {
            int(line.partition("process=")[2].split()[0])
            for line in self.said.splitlines()
            if "process=" in line and line.endswith(" answers")
        }
        return {one for one in started if is_alive(one)}

    def get(self, path: str, **headers: str) -> httpx.Response:
        """An answer over a connection of its own."""
        return httpx.get(f"{self.address}{path}", headers=headers, timeout=30)


def is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2]
    except FileNotFoundError:
        return False
    return state.split()[0] != "Z"


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def serving(commands: Commands, *words: str) -> Iterator[Crew]:
    """The service with two workers, as a shell starts it."""
    log = commands.folder / "service.log"
    with log.open("w", encoding="utf-8") as aside:
        process = subprocess.Popen(
            [*commands.program, "serve", "--port", "0", "--workers", "2", *words],
            cwd=commands.folder,
            env=commands.variables,
            stdout=subprocess.PIPE,
            stderr=aside,
            text=True,
            start_new_session=True,
        )
        try:
            yield Crew(process, log)
        finally:
            process.kill()
            process.communicate()


def test_all_workers_answer_and_one_that_is_killed_is_replaced(
    tmp_path: Path, database: Database
) -> None:
    """On a PostgreSQL of its own, as somebody who tries it has it, until Ctrl-C."""
    commands = Commands(tmp_path, database)
    commands.variables = {
        name: value for name, value in commands.variables.items() if "DATABASE" not in name
    }
    with serving(commands, "--migrate") as crew:
        first, second = crew.workers(2)
        key = commands.say("keys", "create", "acme", "--name", "t", "--scope", "admin").out.strip()
        bearer = {"Authorization": f"Bearer {key}"}
        asked = {
            "kind": "earn",
            "idempotencyKey": "receipt-1",
            "contactId": CONTACT,
            "definitionId": 1,
            "amount": 250,
            "source": "pos",
            "description": "Purchase",
        }
        answers = [
            httpx.post(f"{crew.address}/v1/transactions", json=asked, headers=bearer)
            for _ in range(6)
        ]
        assert [one.status_code for one in answers] == [201, 200, 200, 200, 200, 200]
        # Whichever worker is asked, it knows what all of them counted.
        for _ in range(4):
            assert (
                'route="/v1/transactions",status="200"} 5.0' in crew.get("/metrics", **bearer).text
            )

        os.kill(first, signal.SIGKILL)
        assert crew.get(f"/v1/contacts/{CONTACT}/balances", **bearer).status_code == 200
        third = next(one for one in crew.workers(2) if one != second)
        assert "worker=1 ended status=-9" in crew.said or "worker=2 ended status=-9" in crew.said
        os.kill(second, signal.SIGKILL)
        balance = crew.get(f"/v1/contacts/{CONTACT}/balances", **bearer).json()
        assert balance["balances"][0]["available"] == 250

        os.killpg(crew.process.pid, signal.SIGINT)
        assert crew.process.wait(SECONDS_MAX) == 0
        assert not any(is_alive(one) for one in (first, second, third, *crew.workers(0)))
        assert is_free(tmp_path / "var" / "postgres" / "alive.lock")
        assert "Traceback" not in crew.said


def test_workers_do_not_outlive_a_parent_that_was_killed(
    tmp_path: Path, database: Database
) -> None:
    with serving(Commands(tmp_path, database)) as crew:
        workers = crew.workers(2)
        crew.process.kill()
        wait_until(lambda: not any(is_alive(one) for one in workers))
        with pytest.raises(httpx.ConnectError):
            crew.get("/health/live")
        assert "Traceback" not in crew.said


def test_what_keeps_workers_from_starting_is_said_once(tmp_path: Path, database: Database) -> None:
    commands = Commands(tmp_path, database)
    commands.say("keys", "list")
    changed = CONFIGURATION.replace("scale = 2", "scale = 3")
    commands.folder.joinpath("pointmaster.toml").write_text(changed, encoding="utf-8")
    said = commands.run("serve", "--port", "0", "--workers", "2", status=1).words
    assert said.count("has scale 2 in the books; it can't become 3") == 1
    assert "the service could not be started" in said
    assert "Listening" not in said


async def test_it_is_known_how_many_connections_workers_may_use(database: Database) -> None:
    configuration = configuration_of(database)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        supervisor = Supervisor(configuration, 3, listening, [])
        needed, room = await supervisor.connections(database)
    assert needed > 3 * configuration.database.connections
    assert 50 < room < 1000


def test_a_worker_of_the_schedules_needs_no_company(tmp_path: Path, database: Database) -> None:
    commands = Commands(tmp_path, database)
    said = commands.say("serve", "--workers", "2", "--role", "worker", status=2).words
    assert "--workers are for the doors" in said


async def test_a_worker_that_can_not_even_be_started_is_told_and_not_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-such-program"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        supervisor = Supervisor(configuration_of(database), 2, listening, ["serve"])
        async with asyncio.timeout(10), supervisor.supervising(upgrade=False):
            with pytest.raises(WorkerEndedError):
                await supervisor.until_ready()

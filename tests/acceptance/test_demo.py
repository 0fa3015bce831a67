"""The demo tells its whole story, whatever is killed on the way, and leaves nothing behind.

Each test plays it in a folder of its own with the first customers of the shop, and looks into the
books only to know when to strike. One of them is enough on the older PostgreSQL.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.command_line.sync import PARKED
from api.demonstration.folder import DemoFolder
from api.demonstration.shop import open_shop
from ledger.postgres import connect
from ledger.postgres.locks import is_free
from ledger.postgres.server import prepare

MAJOR = os.environ.get("POINTMASTER_TEST_POSTGRES", "18")
SECONDS_MAX = 60.0
PLAIN = False
"""No certificates are loaded for plain HTTP on this machine."""


class Demo:
    """A demo that was started."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = DemoFolder(folder)
        self.output = folder.with_suffix(".out")
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "api", "demo", "--folder", str(folder)),
                    *("--port", "0", "--postgres", MAJOR, *options),
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "COLUMNS": "200"},
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """All it printed so far."""
        return self.output.read_text()

    def ends(self, seconds_max: float = SECONDS_MAX) -> int:
        """Its exit status, once it has one."""
        try:
            return self.process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the demo goes on and on:\n{self.said}")

    def program(self, words: str) -> int:
        """The number of the program that was started with these words."""
        [found] = [one for one in processes(words) if parent_of(one) == self.process.pid]
        return found

    def in_books(self, query: str) -> Any:
        """A number in the books; nothing while there are none yet."""
        server = prepare(self.folder.books, major=int(MAJOR))

        async def ask() -> Any:
            connection = await connect(server.dsn_service)
            try:
                return await connection.fetchval(query)
            finally:
                await connection.close()

        try:
            return asyncio.run(ask())
        except Exception:  # noqa: BLE001 - no server, no tables, or on the way to either
            return None

    def postmaster(self) -> int:
        """The number of PostgreSQL's first process."""
        file = self.folder.books / "cluster" / "postmaster.pid"
        return int(file.read_text().split()[0])

    def posted(self) -> tuple[int, int]:
        """How many postings it says were booked, and how many were known already."""
        [line] = [one for one in self.said.splitlines() if "Posting the invoices" in one]
        numbers = [int(one.replace(",", "")) for one in re.findall(r"([0-9,]+) [bk]", line)]
        return numbers[0], sum(numbers[1:])

    def service(self) -> str:
        """The service's address, as it is printed in the end."""
        found = re.search(r"(http://\S+)/docs", self.said)
        assert found, self.said
        return found[1]

    def engage(self) -> str:
        """Where the service finds its Engage; nothing while it was not told yet."""
        file = self.folder.configuration
        found = re.search(r'base_url = "(.+)"', file.read_text() if file.exists() else "")
        return found[1] if found else ""

    def wait_for(self, what: str, happened: Callable[[], Any]) -> None:
        """Wait until something happened, while the demo runs."""
        deadline = time.monotonic() + SECONDS_MAX
        while not happened():
            assert time.monotonic() < deadline, f"{what} never came:\n{self.said}"
            assert self.process.poll() is None, f"{what} never came:\n{self.said}"
            time.sleep(0.02)


@contextmanager
def playing(folder: Path, *options: str) -> Iterator[Demo]:
    demo = Demo(folder, *options)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()


def processes(words: str) -> list[int]:
    """The processes with these words in their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in line:
            found.append(int(entry.parent.name))
    return found


def parent_of(process: int) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return int(status.partition("PPid:")[2].split()[0])


def nothing_runs_in(folder: Path) -> bool:
    return not processes(str(folder)) and is_free(folder / "postgres" / "alive.lock")


POSTED = "select count(*) from ledger.transaction"
UNANSWERED = "select count(*) from engage.batch where state = 'sending'"
ON_ITS_WAY = "select count(*) from engage.batch where state = 'accepted'"


def test_whatever_is_killed_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    few, more = (len(open_shop(customers).postings) for customers in (20, 30))

    with playing(folder, "--once", "--customers", "20", "--batch", "5") as demo:
        demo.wait_for("the first posting", lambda: demo.in_books(POSTED))
        os.kill(demo.program("serve --migrate"), signal.SIGKILL)
        assert demo.ends() == 1
        assert "The service was killed by SIGKILL" in demo.said
        assert "Start it again" in demo.said

    with playing(folder, "--once", "--customers", "20") as demo:
        demo.wait_for("the first push", lambda: demo.in_books(ON_ITS_WAY))
        os.kill(demo.program("serve --migrate"), signal.SIGKILL)
        assert demo.ends() == 1
        booked, known = demo.posted()
        assert booked > 0
        assert known > 0
        assert booked + known == few

    with playing(folder, "--once", "--customers", "30", "--batch", "5") as demo:
        demo.wait_for("a new posting", lambda: (demo.in_books(POSTED) or 0) > few)
        os.kill(demo.postmaster(), signal.SIGKILL)
        # PostgreSQL comes back, and what got no answer is asked again.
        demo.wait_for("the last posting", lambda: "Posting the invoices" in demo.said)
        assert sum(demo.posted()) == more
        demo.wait_for("another push", lambda: demo.in_books(ON_ITS_WAY))
        os.kill(demo.program("sandbox.engage"), signal.SIGKILL)
        assert demo.ends() == 1
        assert "Engage was killed by SIGKILL" in demo.said

    with playing(folder, "--once", "--customers", "30") as demo:
        assert demo.ends() == 0, demo.said
        assert demo.posted() == (0, more)
        assert "nothing was booked twice" in demo.said
        assert "Everything holds." in demo.said
        assert "✗" not in demo.said
        # The shop's postings, and the four adjustments that were made in Engage.
        assert f"The books verify: {more + 4:,} transactions" in demo.said
    assert nothing_runs_in(folder)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_a_push_whose_answer_was_on_the_way_is_settled(tmp_path: Path) -> None:
    """Engage has done the work, and the service dies before it hears so: 10 + 30 seconds later
    the request counts as lost, and 10 seconds after that its accounts are read back."""
    folder = tmp_path / "demo"
    with playing(folder, "--once", "--customers", "20", "--batch", "50") as demo:
        demo.wait_for("Engage", demo.engage)
        slow = {"kind": "slow-after", "method": "POST", "path": "*/balances", "milliseconds": 9000}
        httpx.post(
            f"{demo.engage()}/_sandbox/faults", json={"rules": [slow]}, trust_env=False
        ).raise_for_status()
        demo.wait_for("a push without an answer", lambda: demo.in_books(UNANSWERED))
        time.sleep(0.5)
        os.kill(demo.program("serve --migrate"), signal.SIGKILL)
        assert demo.ends() == 1
    with playing(folder, "--once", "--customers", "20") as demo:
        assert demo.ends(180) == 0, demo.said
        assert "Everything holds." in demo.said


def test_two_services_on_one_database_book_once_and_agree(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with playing(folder, "--customers", "10") as demo:
        demo.wait_for("the end of the story", lambda: "Ctrl-C ends it" in demo.said)
        with other_service(demo.folder) as address:
            first, second = demo.service(), address
            key = demo.folder.api_key.read_text()
            visitor = "00000000-0000-4000-8000-000000000001"
            batch = {"transactions": [earn(visitor, number) for number in range(200)]}
            with ThreadPoolExecutor() as both:
                answers = list(
                    both.map(
                        lambda one: ask(one, key, "/v1/transactions/batch", batch), (first, second)
                    )
                )
                runs = list(
                    both.map(lambda one: ask(one, key, "/v1/sync/demo/runs", WAIT), (first, second))
                )
            assert sum(answer["booked"] for answer in answers) == 200
            assert sum(answer["replayed"] for answer in answers) == 200
            assert [run["state"] for run in runs] == ["done", "done"]
            for one in (first, second):
                [account] = ask(one, key, f"/v1/contacts/{visitor}/balances")["balances"]
                assert account["available"] == 200
                assert ask(one, key, "/v1/finance/trial-balance")["balanced"]
            assert a_slip_in_engage_is_put_right(demo)
            demo.process.send_signal(signal.SIGINT)
            assert demo.ends() == 0, demo.said
            # The other service has kept the database alive, and answers on.
            assert ask(second, key, "/v1/finance/trial-balance")["balanced"]
    assert nothing_runs_in(folder)


def a_slip_in_engage_is_put_right(demo: Demo) -> bool:
    """Engage holds something else than it was told; it is told everything again."""
    [customer] = open_shop(1).customers
    engage = demo.engage()
    slip = {"balances": [{"contactId": customer.contact, "amount": 1}]}
    account = f"{engage}/_sandbox/accounts/{customer.contact}"
    with httpx.Client(timeout=SECONDS_MAX, verify=PLAIN, trust_env=False) as client:
        [before] = client.get(account).json()["accounts"]
        client.post(f"{engage}/_sandbox/balances", json=slip).raise_for_status()
        configuration = ("--config", str(demo.folder.configuration))
        told = subprocess.run(
            [sys.executable, "-m", "api", *configuration, "sync", "run", "demo", "--everything"],
            env=demo.folder.environment(os.environ),
            check=False,
            stdout=subprocess.DEVNULL,
        )
        # Engage does not know the visitor, whose account is parked.
        assert told.returncode == PARKED
        [after] = client.get(account).json()["accounts"]
    return bool(before["balance"] != 1 and after["balance"] == before["balance"])


WAIT = {"waitSeconds": 20}


def earn(contact: str, number: int) -> dict[str, Any]:
    return {
        "kind": "earn",
        "idempotencyKey": f"visit-{number}",
        "contactId": contact,
        "definitionId": 1,
        "amount": 1,
        "source": "door",
        "description": "A visit",
    }


def ask(service: str, key: str, path: str, body: Any = None) -> Any:
    with httpx.Client(
        base_url=service, timeout=SECONDS_MAX, verify=PLAIN, trust_env=False
    ) as client:
        headers = {"Authorization": f"Bearer {key}"}
        if body is None:
            answer = client.get(path, headers=headers)
        else:
            answer = client.post(path, headers=headers, json=body)
    assert answer.is_success, answer.text
    return answer.json()


@contextmanager
def other_service(folder: DemoFolder) -> Iterator[str]:
    """Another service with the demo's configuration and secrets, at an address of its own."""
    command = ("-m", "api", "--config", str(folder.configuration), "serve", "--port", "0")
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        text=True,
        env=folder.environment(os.environ),
    )
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        yield next(line.split()[-1] for line in lines if "Listening on" in line)
    finally:
        process.terminate()
        process.wait(SECONDS_MAX)
        process.stdout.close()


def test_ctrl_c_in_the_middle_leaves_nothing_but_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with playing(folder, "--customers", "20", "--batch", "1") as demo:
        demo.wait_for("the first posting", lambda: demo.in_books(POSTED))
        demo.process.send_signal(signal.SIGINT)
        assert demo.ends() == 1
        assert "Aborted" in demo.said
    assert nothing_runs_in(folder)


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with DemoFolder(folder).opened(), playing(folder, "--once") as demo:
        assert demo.ends() == 1
        assert "another demo runs in" in demo.said


def test_only_the_demo_carries_the_outside_world() -> None:
    """A service in production loads neither the shop's data nor a stand-in."""
    loaded = "import sys, api.command_line, api.application; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", loaded], check=True, capture_output=True, text=True
    ).stdout.split()
    assert "api.application" in said
    assert [name for name in said if name.startswith(("sandbox", "api.demonstration"))] == []

"""The command line on a real database: keys, proofs, serving, and failures put kindly."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from api.command_line import main
from ledger.postgres import Database
from sandbox.launch import launched

pytestmark = pytest.mark.any_postgres

CONFIGURATION = """
[tenants.acme]
time_zone = "Europe/Stockholm"
definitions = [{ engage_id = 1, name = "Points" }]
"""

PATIENCE = 60.0
"""Seconds to wait for what takes moments, but on a machine that is busy."""

CONTACT = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"

EARN = {
    "kind": "earn",
    "idempotencyKey": "receipt-1",
    "contactId": CONTACT,
    "definitionId": 1,
    "amount": 250,
    "source": "pos",
    "description": "Purchase",
}


class Terminal:
    """Commands typed one after the other, in a folder with a configuration."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.path = folder / "pointmaster.toml"
        self.path.write_text(CONFIGURATION, encoding="utf-8")
        self.variables = {
            "DATABASE_URL": database.dsn_service,
            "DATABASE_OWNER_URL": database.dsn_owner,
            "POINTMASTER_CONFIG": str(self.path),
            "COLUMNS": "200",
        }

    def run(self, *words: str) -> Result:
        return CliRunner(env=self.variables).invoke(main, words)

    def prints(self, *words: str) -> str:
        """The output of a command that must succeed."""
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def fails(self, *words: str, status: int = 1) -> str:
        """What a command that must fail says, in a sentence and without a traceback."""
        result = self.run(*words)
        assert result.exit_code == status, result.output
        assert "Traceback" not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return " ".join(result.output.split())

    def start(self, *words: str) -> subprocess.Popen[str]:
        """A command in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-c", "from api.command_line import main; main()", *words],
            cwd=self.folder,
            env={**os.environ, **self.variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def terminal(database: Database, tmp_path: Path) -> Terminal:
    return Terminal(tmp_path, database)


@contextmanager
def serving(terminal: Terminal, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The service as a process, and its address."""
    process = terminal.start("serve", "--port", "0", *words)
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("Listening on "):
                break
        else:
            raise AssertionError("".join(said))
        yield process, line.removeprefix("Listening on ").strip()
    finally:
        process.kill()
        process.communicate()


def test_the_configuration_can_be_checked(terminal: Terminal) -> None:
    shown = terminal.prints("config", "check")
    assert "Europe/Stockholm" in shown
    assert "can be used." in shown
    terminal.path.write_text(CONFIGURATION.replace("Stockholm", "Atlantis"), encoding="utf-8")
    assert "tenants.acme.time_zone: is no time zone" in terminal.fails("config", "check")
    terminal.path.unlink()
    assert "can't be read: No such file" in terminal.fails("config", "check")


def test_keys_are_made_shown_closed_and_replaced(terminal: Terminal) -> None:
    words = ("--name", "tills [old]", "--scope", "balances:read", "--scope", "sync:read")
    text = terminal.prints("keys", "create", "acme", *words).strip()
    assert re.fullmatch(r"pm_[0-9a-f]{16}_[0-9a-f]{64}", text)
    key_id = text.split("_")[1]

    shown = terminal.prints("keys", "list")
    assert key_id in shown
    assert "tills [old]" in shown
    assert text.split("_")[2] not in shown

    new = terminal.prints("keys", "rotate", key_id, "--overlap-hours", "0").strip()
    assert new.split("_")[1] != key_id
    listed = {one["id"]: one for one in json.loads(terminal.prints("keys", "list", "--json"))}
    assert listed[key_id]["works"] is False
    assert listed[key_id]["successor"] == new.split("_")[1]
    assert listed[new.split("_")[1]]["scopes"] == ["balances:read", "sync:read"]

    terminal.prints("keys", "revoke", new.split("_")[1])
    listed = {one["id"]: one for one in json.loads(terminal.prints("keys", "list", "--json"))}
    assert not any(one["works"] for one in listed.values())


def test_keys_that_cannot_be_made(terminal: Terminal) -> None:
    create = ("keys", "create", "acme", "--name", "tills")
    assert "is no scope; there are: transactions:write" in terminal.fails(
        *create, "--scope", "everything", status=2
    )
    assert "Missing option '--scope'" in terminal.fails(*create, status=2)
    assert "there is no tenant nobody; there are: acme" in terminal.fails(
        "keys", "create", "nobody", "--name", "tills", "--scope", "admin"
    )
    assert "there is no key 0123" in terminal.fails("keys", "revoke", "0123")
    assert "there is no key 0123 that still works" in terminal.fails("keys", "rotate", "0123")


def test_a_database_without_our_tables_is_migrated_only_when_asked(
    bare_database: Database, tmp_path: Path
) -> None:
    terminal = Terminal(tmp_path, bare_database)
    assert "run `pointmaster migrate`" in terminal.fails("verify")
    assert "Applied 0001" in terminal.prints("migrate")
    assert "Nothing to do" in terminal.prints("migrate")
    assert "The books are right." in terminal.prints("verify")


def test_a_database_that_is_not_there(terminal: Terminal) -> None:
    terminal.variables["DATABASE_URL"] = "postgresql://nobody:hidden-word@127.0.0.1:9/nowhere"
    terminal.variables.pop("DATABASE_OWNER_URL")
    for words in (("verify",), ("keys", "list"), ("migrate",), ("sync", "status", "acme")):
        said = terminal.fails(*words)
        assert "DATABASE_URL: no connection to the database" in said
        assert "hidden-word" not in said


def test_a_tenant_without_an_engage_has_nothing_to_sync(terminal: Terminal) -> None:
    for words in (("sync", "run", "acme"), ("sync", "status", "acme")):
        assert "tenant acme has no Engage" in terminal.fails(*words)


def test_a_changed_scale_is_refused_in_a_sentence(terminal: Terminal) -> None:
    terminal.prints("keys", "list")
    changed = CONFIGURATION.replace('name = "Points"', 'name = "Points", scale = 2')
    terminal.path.write_text(changed, encoding="utf-8")
    assert "has scale 0 in the books; it can't become 2" in terminal.fails("keys", "list")


def test_a_sync_by_hand_ends_when_engage_has_what_the_books_have(terminal: Terminal) -> None:
    with launched("engage", "--set", "balances.jobSeconds=0.2") as engage:
        section = f"""
            [tenants.acme.engage]
            base_url = "{engage.address}"
            poll_seconds = [0.1]
            schedule = {{ push = {{ every_seconds = 3600, paused = true }} }}
        """
        terminal.path.write_text(CONFIGURATION + section, encoding="utf-8")
        terminal.variables["POINTMASTER_ACME_ENGAGE_API_KEY"] = "sandbox-key"
        contacts = {"contacts": [{"id": CONTACT}]}
        httpx.post(
            f"{engage.address}/_sandbox/contacts", json=contacts, timeout=PATIENCE
        ).raise_for_status()
        with serving(terminal) as (_, address):
            words = ("--name", "t", "--scope", "admin")
            key = terminal.prints("keys", "create", "acme", *words).strip()
            headers = {"Authorization": f"Bearer {key}"}
            httpx.post(f"{address}/v1/transactions", json=EARN, headers=headers, timeout=PATIENCE)
            status = terminal.prints("sync", "status", "acme")
            assert re.search(r"changes to send +│ 1 ", status)
            assert "Engage has what the books have." in terminal.prints("sync", "run", "acme")
            document = json.loads(terminal.prints("sync", "status", "acme", "--json"))
            assert (document["marked"], document["unfinished"]) == (0, {})
            unknown = {**EARN, "idempotencyKey": "another", "contactId": CONTACT[:-1] + "b"}
            httpx.post(
                f"{address}/v1/transactions", json=unknown, headers=headers, timeout=PATIENCE
            )
            said = terminal.fails("sync", "run", "acme", status=3)
            assert "what the books have, but for 1 that it does not take: `pointmaster" in said
        held = httpx.get(
            f"{engage.address}/_sandbox/balances", params={"definition": 1}, timeout=PATIENCE
        ).json()
        assert [(row["contactId"], row["balance"]) for row in held] == [(CONTACT, 250)]
    assert "trouble" in terminal.prints("sync", "status", "acme")


def test_the_service_serves_verifies_and_stops_when_told(terminal: Terminal) -> None:
    with serving(terminal) as (process, address):
        key = terminal.prints("keys", "create", "acme", "--name", "t", "--scope", "admin").strip()
        with httpx.Client(
            base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE
        ) as http:
            assert http.get("/health/ready").status_code == 200
            assert http.post("/v1/transactions", json=EARN).status_code == 201
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    assert "The books are right." in terminal.prints("verify")


def test_books_that_are_not_right_are_shown(terminal: Terminal, database: Database) -> None:
    with serving(terminal) as (_, address):
        key = terminal.prints("keys", "create", "acme", "--name", "t", "--scope", "admin").strip()
        headers = {"Authorization": f"Bearer {key}"}
        httpx.post(f"{address}/v1/transactions", json=EARN, headers=headers, timeout=PATIENCE)
    tampering = "update ledger.account set available = available + 1"
    subprocess.run([sys.executable, "-c", TAMPER, database.dsn_owner, tampering], check=True)
    said = terminal.fails("verify")
    assert "The books are not right" in said
    assert CONTACT not in said


TAMPER = """
import asyncio, sys
from ledger.postgres import connect
async def tamper(dsn, statement):
    connection = await connect(dsn)
    await connection.execute(statement)
    await connection.close()
asyncio.run(tamper(*sys.argv[1:]))
"""


def listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def test_a_request_under_way_ends_before_the_service_does(terminal: Terminal) -> None:
    with serving(terminal) as (process, address):
        key = terminal.prints("keys", "create", "acme", "--name", "t", "--scope", "admin").strip()
        host, port = address.removeprefix("http://").split(":")
        body = json.dumps(EARN).encode()
        with socket.create_connection((host, int(port))) as connection:
            head = (
                f"POST /v1/transactions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
                "Expect: 100-continue\r\n\r\n"
            )
            connection.settimeout(20)
            connection.sendall(head.encode())
            assert b" 100 Continue" in connection.recv(65_536)
            connection.sendall(body[:20])
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + 20
            while listens(host, int(port)):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            connection.sendall(body[20:])
            assert b" 201 Created" in connection.recv(65_536)
        assert process.wait(20) == 0


def test_a_port_in_use_is_said_before_anything_is_opened(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"can't listen on 127.0.0.1, port {port}" in terminal.fails("serve", "--port", port)


def test_a_worker_listens_nowhere_and_stops_when_told(terminal: Terminal) -> None:
    process = terminal.start("serve", "--role", "worker")
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    assert any("worker" in line for line in lines)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Listening" not in "".join(lines) + said


def test_two_services_on_one_database_book_once(terminal: Terminal) -> None:
    with serving(terminal) as (_, first), serving(terminal) as (_, second):
        key = terminal.prints("keys", "create", "acme", "--name", "t", "--scope", "admin").strip()
        headers = {"Authorization": f"Bearer {key}"}
        answers = [
            httpx.post(f"{address}/v1/transactions", json=EARN, headers=headers, timeout=PATIENCE)
            for address in (first, second)
        ]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].content == answers[1].content


def test_a_killed_service_loses_nothing_it_answered(terminal: Terminal) -> None:
    with serving(terminal) as (process, address):
        key = terminal.prints("keys", "create", "acme", "--name", "t", "--scope", "admin").strip()
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.post(
            f"{address}/v1/transactions", json=EARN, headers=headers, timeout=PATIENCE
        )
        process.kill()
        process.wait()
    with serving(terminal) as (_, address):
        again = httpx.post(
            f"{address}/v1/transactions", json=EARN, headers=headers, timeout=PATIENCE
        )
    assert (answer.status_code, again.status_code) == (201, 200)
    assert again.content == answer.content
    assert "The books are right." in terminal.prints("verify")

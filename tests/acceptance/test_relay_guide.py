"""The guide to the relay: what it shows is done, and every setting in it can be used.

The commands of its first part go to the real service and a stand-in MoEngage; only their two ports
are others. A block that begins with "json NAME" is a file. After each command stand words that
must appear in what it says, in this order; "status=1" is its exit status, "until" means in the end.
"""

import re
import shlex
import socket
import subprocess
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from api.configuration import load
from ledger.postgres import Database
from sandbox.launch import launched
from sync.relay.intake import Reason
from sync.relay.options import DestinationOptions, RetentionOptions
from sync.relay.vendors.protocol import Vendor
from tests.doors.commands import CONFIGURATION, Commands

GUIDE = (Path(__file__).parents[2] / "docs" / "relay.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^( *)```(\w+)(?: (\S+))?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SECONDS_MAX = 90.0
SECRETS = {
    "POINTMASTER_RELAY_DESTINATION_MAIN_KEY": "sandbox-data-key",
    "POINTMASTER_RELAY_SOURCE_SHOP_SECRET": "at-least-sixteen-characters",
}


class Block(NamedTuple):
    """A block of the guide."""

    form: str
    said: str
    content: str


def blocks() -> list[Block]:
    return [
        Block(form, said, re.sub(f"^{indent}", "", content, flags=re.MULTILINE))
        for indent, form, said, content in BLOCK.findall(GUIDE)
    ]


def commands_in(content: str) -> Iterator[tuple[list[str], list[str]]]:
    """Each command's words, and what must appear in what it says."""
    for part in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield shlex.split(command), [word for line in shown for word in line.split()]


class Follower:
    """Does what the guide says."""

    def __init__(self, commands: Commands, ports: dict[str, str]) -> None:
        self._commands = commands
        self._ports = ports

    def local(self, text: str) -> str:
        for shown, port in self._ports.items():
            text = text.replace(shown, port)
        return text

    def perform(self, block: Block) -> None:
        for words, shown in commands_in(block.content):
            deadline = time.monotonic() + SECONDS_MAX
            while True:
                said = self._say(words, block.said)
                missing = self._missing(said, shown)
                if missing is None:
                    break
                is_worth_waiting = block.said == "until" and time.monotonic() < deadline
                assert is_worth_waiting, f"{words}: no {missing!r} in {said}"
                time.sleep(0.1)

    def _say(self, words: list[str], how: str) -> str:
        program, *rest = [self.local(word) for word in words]
        if program == "curl":
            return self._curl(rest)
        assert program == "pointmaster", words
        ended = self._commands.say(*rest, status=1 if how == "status=1" else 0)
        return ended.out

    def _curl(self, words: list[str]) -> str:
        options = dict(zip(words[:-1:2], words[1:-1:2], strict=True))
        user, _, password = options.get("-u", "").partition(":")
        auth = httpx.BasicAuth(user, password) if user else None
        file = options.get("--data-binary", "").removeprefix("@")
        with httpx.Client(trust_env=False, auth=auth) as client:
            if not file:
                return client.get(words[-1]).text
            return client.post(words[-1], content=(self._commands.folder / file).read_bytes()).text

    @staticmethod
    def _missing(said: str, shown: list[str]) -> str | None:
        for word in shown:
            _, found, said = said.partition(word)
            if not found:
                return word
        return None


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.mark.any_postgres
def test_the_guide_is_followed(database: Database, tmp_path: Path) -> None:
    with launched("moengage") as moengage:
        port = free_port()
        commands = Commands(tmp_path, database)
        follower = Follower(commands, {"7802": moengage.address.rpartition(":")[2], "8080": port})
        commands.variables.update(SECRETS)
        service: subprocess.Popen[str] | None = None
        configured = performed = 0
        try:
            for block in blocks():
                if block.form == "toml" and not configured:
                    text = f"[service]\nport = {port}\n{CONFIGURATION}{block.content}"
                    (tmp_path / "pointmaster.toml").write_text(follower.local(text))
                    configured = 1
                elif block.form == "json" and block.said:
                    (tmp_path / block.said).write_text(block.content, encoding="utf-8")
                elif block.said == "background":
                    assert [words for words, _ in commands_in(block.content)] == [
                        ["python", "-m", "sandbox.moengage", "--port", "7802"],
                        ["pointmaster", "serve"],
                    ]
                    service = commands.start("serve", "--log-level", "error")
                    wait_for(f"http://127.0.0.1:{port}/relay/shop", service)
                elif block.form == "console":
                    follower.perform(block)
                    performed += 1
        finally:
            if service is not None:
                service.terminate()
                service.communicate(timeout=SECONDS_MAX)
    assert performed == 6


def wait_for(address: str, service: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        assert service.poll() is None, service.communicate()
        try:
            if httpx.get(address, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise TimeoutError(address)


def merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """One table with another's entries; the later wins."""
    both = dict(one)
    for name, value in other.items():
        known = both.get(name, {})
        both[name] = merged(known, value) if isinstance(value, dict) else value
    return both


def test_every_setting_that_is_shown_can_be_used(tmp_path: Path) -> None:
    shown: dict[str, Any] = {}
    for block in blocks():
        if block.form == "toml":
            shown = merged(shown, tomllib.loads(block.content))
    del shown["relay"]["destinations"]["main"]["address"]
    secrets = {
        f"POINTMASTER_RELAY_SOURCE_{name.upper().replace('-', '_')}_SECRET": "a" * 16
        for name, one in shown["relay"]["sources"].items()
        if one["vendor"] != "ledger"
    }
    path = tmp_path / "pointmaster.toml"
    path.write_text(f"{CONFIGURATION}\n{written(shown, ())}")
    relay = load(path, {**SECRETS, **secrets}).relay
    assert {one.vendor for one in relay.sources.values()} == set(Vendor)
    assert relay.destinations["main"].address == "https://api-03.moengage.com"
    assert relay.retention == RetentionOptions(), "the defaults, as they are shown"
    assert DestinationOptions(workspace="w").create_customers


def written(table: dict[str, Any], place: tuple[str, ...]) -> str:
    """A table as TOML: its plain values, then the tables in it."""
    lines = [f"[{'.'.join(place)}]"] if place else []
    lines += [f'"{one}" = {value(two)}' for one, two in table.items() if not isinstance(two, dict)]
    inner = [
        written(two, (*place, f'"{one}"')) for one, two in table.items() if isinstance(two, dict)
    ]
    return "\n".join([*lines, *inner])


def value(found: Any) -> str:
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, list):
        return f"[{', '.join(value(one) for one in found)}]"
    return f"'{found}'" if isinstance(found, str) else str(found)


def test_every_reason_is_explained() -> None:
    for reason in Reason:
        assert f"`{reason}`" in GUIDE, reason

"""The control address and the page of the stand-in Engage."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.launch import Launched, LaunchError, launch, launched

CONTACT = "11111111-1111-4111-8111-111111111111"
BALANCES = "/api/v3/point-accounts/balances"


def test_the_state_is_told_in_a_few_numbers(control: httpx.Client, api: httpx.Client) -> None:
    api.post(BALANCES, json=[{"contactId": CONTACT, "amount": 12.5, "definitionId": 1}])
    control.post("/_sandbox/run-job")

    summary = control.get("/_sandbox").json()

    assert summary["contacts"] == 1
    assert summary["totals"] == [
        {"definitionId": 1, "accounts": 1, "balance": 12.5, "pendingPoints": 0}
    ]
    assert summary["queue"] == {"waitingRequests": 0, "appliedRequests": 1, "appliedRows": 1}
    assert summary["requests"]["byStatus"] == {"202": 1}
    balances = control.get("/_sandbox/balances").json()
    assert balances == [
        {"contactId": CONTACT, "definitionId": 1, "balance": 12.5, "pendingPoints": 0}
    ]
    [account] = control.get(f"/_sandbox/accounts/{CONTACT}").json()["accounts"]
    assert account["balance"] == 12.5


def test_requests_are_shown_with_their_bodies_and_without_their_keys(
    control: httpx.Client, api: httpx.Client
) -> None:
    api.post(BALANCES, content=b'[{"contactId": 1}]')

    bare = control.get("/_sandbox/requests")
    [request] = control.get("/_sandbox/requests?bodies=true").json()["requests"]

    assert "requestBody" not in bare.json()["requests"][0]
    assert request["requestBody"] == '[{"contactId": 1}]'
    assert request["userAgent"] == "Acceptance/1.0"
    assert request["status"] == 400
    assert "sandbox-key" not in bare.text


def test_the_page_shows_what_there_is_and_nothing_from_elsewhere(
    control: httpx.Client, api: httpx.Client
) -> None:
    contact = {"id": CONTACT, "customKey": "<b>1001</b>"}
    control.post("/_sandbox/contacts", json={"contacts": [contact]})
    api.post(BALANCES, json=[{"contactId": CONTACT, "amount": 1234, "definitionId": 1}])
    control.post("/_sandbox/run-job")

    page = control.get("/")

    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for words in (CONTACT, "1,234", "&lt;b&gt;1001&lt;/b&gt;", f"POST {BALANCES}"):
        assert words in page.text
    assert "://" not in page.text


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("PUT", "settings", '{"rates": {}}', "rates"),
        ("PUT", "settings", "{", "truncated"),
        ("POST", "faults", '{"rules": [{"kind": "explode"}]}', "explode"),
        ("POST", "clock", '{"set": "2026-01-01T00:00:00"}', "time zone"),
        ("POST", "contacts", '{"contacts": [{"id": "1001"}]}', "not a GUID"),
        ("POST", "balances", '{"balances": [{"contactId": "x", "amount": 1}]}', "not known"),
        ("POST", "restart", '{"queue": "burn"}', "queue"),
        ("GET", "requests?count=0", None, "count"),
    ],
)
def test_control_says_what_is_wrong_with_what_it_is_asked(
    control: httpx.Client, method: str, path: str, body: str | None, words: str
) -> None:
    answer = control.request(method, f"/_sandbox/{path}", content=body)

    assert answer.status_code == 400
    assert words in answer.json()["message"]


def test_control_is_outside_limits_faults_and_the_journal(
    control: httpx.Client, api: httpx.Client
) -> None:
    control.put("/_sandbox/settings", json={"rate": {"requestsPerSecondMax": 0}})
    control.post("/_sandbox/faults", json={"rules": [{"kind": "drop-before"}]})
    for _ in range(60):
        assert control.get("/_sandbox").status_code == 200

    control.delete("/_sandbox/faults")

    assert api.get(BALANCES).status_code == 429
    assert control.get("/_sandbox").json()["requests"]["total"] == 1


def test_tens_of_thousands_of_contacts_are_loaded_in_one_call(control: httpx.Client) -> None:
    contacts = [
        {"id": f"{number:08d}-1111-4111-8111-111111111111", "customKey": str(number)}
        for number in range(50_000)
    ]

    answer = control.post("/_sandbox/contacts", json={"contacts": contacts})

    assert answer.json() == {"added": 50_000, "replaced": 0}
    assert control.get("/_sandbox/contacts?offset=49999&count=5").json()["total"] == 50_001


@pytest.fixture
def stand_in() -> Iterator[Launched]:
    with launched("engage") as stand_in:
        yield stand_in


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly_at_a_signal(stand_in: Launched, number: int) -> None:
    with httpx.Client(base_url=stand_in.address) as client:
        assert client.get("/_sandbox").status_code == 200
        stand_in.process.send_signal(number)
        assert stand_in.process.wait(10) == 0


def test_it_does_not_outlive_who_started_it(stand_in: Launched) -> None:
    assert stand_in.process.stdin is not None
    stand_in.process.stdin.close()

    assert stand_in.process.wait(10) == 0


def test_it_starts_from_a_file_and_flags(tmp_path: Path) -> None:
    file = tmp_path / "engage.toml"
    file.write_text('tenant = "shop"\n[rate]\nrequestsPerSecondMax = 7\n')

    with launched("engage", "--config", str(file), "--api-key", "k", "--port", "0") as stand_in:
        settings = httpx.get(f"{stand_in.address}/_sandbox/settings").json()
    with launched("engage", "--config", str(file), "--tenant", "acme") as stand_in:
        named = httpx.get(f"{stand_in.address}/_sandbox").json()

    assert (settings["tenant"], settings["apiKeys"]) == ("shop", ["k"])
    assert named["tenant"] == "acme"
    assert settings["rate"]["requestsPerSecondMax"] == 7


def test_a_start_that_cannot_be_says_why(stand_in: Launched) -> None:
    port = stand_in.address.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "sandbox.engage"]

    taken = subprocess.run([*command, "--port", port], capture_output=True, text=True, check=False)
    wrong = subprocess.run(
        [*command, "--set", "rate.sliding=7"], capture_output=True, text=True, check=False
    )

    assert taken.returncode == wrong.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in taken.stderr
    assert "rate.sliding" in wrong.stderr
    with pytest.raises(LaunchError):
        launch("engage", "--port", port)


def test_a_stop_waits_for_the_answer_that_is_being_made(stand_in: Launched) -> None:
    with httpx.Client(base_url=stand_in.address) as client:
        rules = [{"kind": "slow-before", "milliseconds": 400}]
        client.post("/_sandbox/faults", json={"rules": rules})
        started = time.monotonic()
        stopper = subprocess.Popen(["sh", "-c", f"sleep 0.15; kill -TERM {stand_in.process.pid}"])
        assert client.get("/api/v2/point-accounts/definitions").status_code == 401
        assert time.monotonic() - started >= 0.4
        assert stopper.wait(5) == 0
    assert stand_in.process.wait(10) == 0

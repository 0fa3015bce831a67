"""The stand-in Engage misbehaving on order: what the caller sees, and what was done anyway."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.launch import launched

CONTACT = "11111111-1111-4111-8111-111111111111"
BALANCES = "/api/v3/point-accounts/balances"
TRANSACTIONS = "/api/v2/point-accounts/transactions"
ROW = {
    "contactId": CONTACT,
    "amount": 7,
    "definitionId": 1,
    "timeStamp": "2026-01-01T00:00:00Z",
    "source": "Purchase",
    "description": "Gloves",
    "validFrom": "2026-01-01T00:00:00Z",
}


def order(control: httpx.Client, *rules: dict[str, Any], seed: int = 1) -> None:
    control.post("/_sandbox/faults", json={"seed": seed, "rules": rules}).raise_for_status()


def balance(control: httpx.Client) -> float:
    return float(sum(one["balance"] for one in control.get("/_sandbox/balances").json()))


@pytest.mark.parametrize(("kind", "left"), [("drop-before", 0), ("drop-after", 7)])
def test_a_connection_is_dropped_without_an_answer_before_or_after_the_work(
    control: httpx.Client, api: httpx.Client, kind: str, left: int
) -> None:
    order(control, {"kind": kind, "path": "*/transactions"})

    with pytest.raises(httpx.TransportError):
        api.post(TRANSACTIONS, json=[ROW])

    assert balance(control) == left
    assert api.get("/api/v2/point-accounts/definitions").status_code == 200
    [request] = control.get("/_sandbox/requests?path=transactions").json()["requests"]
    assert (request["status"], request["faults"]) == (None, [kind])


@pytest.mark.parametrize(("kind", "left"), [("error-before", 0), ("error-after", 7)])
def test_an_error_is_answered_before_or_after_the_work(
    control: httpx.Client, api: httpx.Client, kind: str, left: int
) -> None:
    order(control, {"kind": kind, "status": 503, "times": 1})

    assert api.post(TRANSACTIONS, json=[ROW]).status_code == 503
    assert balance(control) == left
    assert api.post(TRANSACTIONS, json=[ROW]).status_code == 202


def test_a_repeat_after_a_lost_answer_adds_nothing_when_the_key_is_the_same(
    control: httpx.Client, api: httpx.Client
) -> None:
    order(control, {"kind": "drop-after", "times": 1})
    key = {"idempotency-key": "batch-1"}
    with pytest.raises(httpx.TransportError):
        api.post(TRANSACTIONS, json=[ROW], headers=key)

    assert api.post(TRANSACTIONS, json=[ROW], headers=key).status_code == 202
    assert balance(control) == 7


def test_too_many_requests_can_be_ordered_with_and_without_a_time_to_wait(
    control: httpx.Client, api: httpx.Client
) -> None:
    order(
        control,
        {"kind": "throttle", "retryAfterSeconds": 7, "times": 1},
        {"kind": "throttle", "times": 2},
    )
    first, second, third = (api.post(BALANCES, json=[ROW]) for _ in range(3))

    assert (first.status_code, first.headers.get("retry-after")) == (429, "7")
    assert (second.status_code, second.headers.get("retry-after")) == (429, None)
    assert third.status_code == 202


@pytest.mark.parametrize("kind", ["slow-before", "slow-after"])
def test_a_caller_who_does_not_wait_long_enough_cannot_know_what_was_done(
    control: httpx.Client, api: httpx.Client, kind: str
) -> None:
    order(control, {"kind": kind, "milliseconds": 300, "times": 1})
    with pytest.raises(httpx.ReadTimeout):
        api.post(TRANSACTIONS, json=[ROW], timeout=0.1)

    time.sleep(0.05)
    assert balance(control) == (7 if kind == "slow-after" else 0)
    time.sleep(0.4)
    assert balance(control) == 7


def test_balances_requests_are_applied_late_and_out_of_order(
    control: httpx.Client, api: httpx.Client
) -> None:
    order(control, {"kind": "apply-late", "milliseconds": 60_000, "times": 1})
    api.post(BALANCES, json=[{**ROW, "amount": 1}])
    api.post(BALANCES, json=[{**ROW, "amount": 2}])

    assert control.post("/_sandbox/run-job").json()["waitingRequests"] == 1
    assert balance(control) == 2
    control.post("/_sandbox/clock", json={"advanceSeconds": 61})
    control.post("/_sandbox/run-job")
    assert balance(control) == 1


def test_the_queue_can_be_applied_backwards(control: httpx.Client, api: httpx.Client) -> None:
    control.put("/_sandbox/settings", json={"balances": {"order": "reverse"}})
    for amount in (1, 2, 3):
        api.post(BALANCES, json=[{**ROW, "amount": amount}])

    control.post("/_sandbox/run-job")

    assert balance(control) == 1


def test_a_status_can_be_missing_at_first_unknown_or_never_final(
    control: httpx.Client, api: httpx.Client
) -> None:
    order(
        control,
        {"kind": "status-missing", "milliseconds": 200, "path": "*/balances", "times": 1},
        {"kind": "status-unknown", "word": "Archived", "path": "*/balances", "skip": 1, "times": 1},
        {"kind": "status-stuck", "path": "*/balances", "skip": 2, "times": 1},
    )
    paths = [f"{BALANCES}/status/{api.post(BALANCES, json=[ROW]).json()}" for _ in range(3)]
    assert api.get(paths[0]).status_code == 404
    assert api.get(paths[1]).json()["status"] == "Queued"
    control.post("/_sandbox/run-job")
    time.sleep(0.25)

    assert [api.get(path).json()["status"] for path in paths] == [
        "Completed",
        "Archived",
        "Processing",
    ]


def test_faults_strike_by_their_odds_from_a_seed(control: httpx.Client, api: httpx.Client) -> None:
    rules = [
        {"kind": "error-after", "probability": 0.3},
        {"kind": "throttle", "probability": 0.2},
    ]

    def statuses() -> list[int]:
        order(control, *rules, seed=11)
        return [api.get("/api/v2/point-accounts/definitions").status_code for _ in range(60)]

    first = statuses()

    assert first == statuses()
    assert {200, 429, 500} == set(first)
    report = control.get("/_sandbox/faults").json()["rules"]
    assert [one["matched"] for one in report] == [60, 60]


@pytest.mark.parametrize(("queue", "left"), [("keep", 7), ("forget", 0)])
def test_a_restart_cuts_connections_refuses_new_ones_and_keeps_or_loses_the_queue(
    control: httpx.Client, api: httpx.Client, queue: str, left: int
) -> None:
    api.post(BALANCES, json=[ROW]).raise_for_status()
    address = str(control.base_url)

    restart = {"refuseMilliseconds": 1000, "queue": queue}
    assert control.post("/_sandbox/restart", json=restart).status_code == 202
    refused = 0
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{address}/_sandbox", timeout=1)
        except httpx.ConnectError:
            refused += 1
            time.sleep(0.02)
        except httpx.TransportError:
            continue
        else:
            if refused:
                break

    assert refused, "it never refused a connection"
    control.post("/_sandbox/run-job")
    assert balance(control) == left


def test_what_engage_would_remember_is_in_its_file(tmp_path: Path) -> None:
    state = tmp_path / "engage.state"
    arguments = ("--state", str(state), "--set", "balances.jobSeconds=null")
    headers = {"apikey": "sandbox-key", "content-type": "application/json"}
    with (
        launched("engage", *arguments) as stand_in,
        httpx.Client(base_url=stand_in.address, headers=headers) as client,
    ):
        client.post("/_sandbox/contacts", json={"contacts": [{"id": CONTACT, "customKey": "1"}]})
        client.post(TRANSACTIONS, json=[ROW], headers={"idempotency-key": "a"})
        client.post(TRANSACTIONS, json=[{**ROW, "amount": 5, "validFrom": "2099-01-01T00:00:00Z"}])
        waiting = client.post(BALANCES, json=[{**ROW, "amount": 50}]).json()
        assert stand_in.stop() == 0

    with (
        launched("engage", *arguments) as stand_in,
        httpx.Client(base_url=stand_in.address, headers=headers) as client,
    ):
        client.post(TRANSACTIONS, json=[ROW], headers={"idempotency-key": "a"})
        assert client.get("/api/v2/contacts/id?customKey=1").json() == CONTACT
        [account] = client.get(f"/api/v3/point-accounts?contactId={CONTACT}").json()
        assert (account["balance"], account["pendingPoints"]) == (7, 5)
        client.post("/_sandbox/run-job")
        status = client.get(f"{BALANCES}/status/{waiting}").json()
        assert status["status"] == "Completed"
        [account] = client.get(f"/api/v3/point-accounts?contactId={CONTACT}").json()
        assert account["balance"] == 50

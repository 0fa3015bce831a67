"""The stand-in MoEngage as a relay meets it."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.launch import Launched, launched

NO_TLS = False  # everything here is plain HTTP; loading certificates takes longer than a test
WORKSPACE = "sandbox-workspace"
KEY = "sandbox-data-key"
SECOND = "second-workspace"
WITHOUT_KEY = "keyless-workspace"
CONTROL = f"/_sandbox/workspaces/{WORKSPACE}"


@pytest.fixture(scope="module")
def process() -> Iterator[Launched]:
    workspaces = [
        {"id": WORKSPACE, "key": KEY},
        {"id": SECOND, "key": "second-key"},
        {"id": WITHOUT_KEY, "key": None},
    ]
    with launched("moengage", "--set", f"workspaces={json.dumps(workspaces)}") as stand_in:
        yield stand_in


@pytest.fixture
def moengage_control(process: Launched) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=process.address, timeout=30, verify=NO_TLS) as client:
        defaults = client.get("/_sandbox/settings").json()
        client.post("/_sandbox/reset").raise_for_status()
        yield client
        client.delete("/_sandbox/faults").raise_for_status()
        client.put("/_sandbox/settings", json=defaults).raise_for_status()


@pytest.fixture
def data_api(process: Launched, moengage_control: httpx.Client) -> Iterator[httpx.Client]:
    assert moengage_control.get("/_sandbox").status_code == 200
    with httpx.Client(
        base_url=process.address, auth=(WORKSPACE, KEY), timeout=30, verify=NO_TLS
    ) as client:
        yield client


def event(relay_id: str, customer: str = "cust-1001", **action: Any) -> dict[str, Any]:
    attributes = {"points": 20, "relay_event_id": relay_id}
    return {
        "type": "event",
        "customer_id": customer,
        "actions": [{"action": "points_earned", "attributes": attributes, **action}],
    }


def customer(**attributes: Any) -> dict[str, Any]:
    return {"type": "customer", "customer_id": "cust-1001", "attributes": attributes}


def bulk(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "transition", "elements": elements}


def summary(control: httpx.Client) -> Any:
    return control.get("/_sandbox").json()["workspaces"].get(WORKSPACE)


def test_events_and_users_are_queued_and_kept_in_order_of_arrival(
    moengage_control: httpx.Client, data_api: httpx.Client
) -> None:
    answers = [
        data_api.post(f"/v1/event/{WORKSPACE}", json=event("a")),
        data_api.post(f"/v1/customer/{WORKSPACE}", json=customer(tier="Silver")),
        data_api.post(
            f"/v1/transition/{WORKSPACE}", json=bulk(event("b"), event("c", "cust-2002"))
        ),
    ]

    for answer in answers:
        assert answer.status_code == 200
        assert answer.json()["status"] == "success"
        assert answer.json()["request_id"]
    shown = moengage_control.get(f"{CONTROL}/customers/cust-1001").json()
    assert shown["profile"] == {"tier": "Silver"}
    assert [entry["relayEventId"] for entry in shown["entries"]] == ["a", None, "b"]
    assert shown["entries"][2]["element"] == event("b")
    assert moengage_control.get(f"{CONTROL}/customers").json()["customers"] == [
        {"id": "cust-1001", "entries": 3},
        {"id": "cust-2002", "entries": 1},
    ]
    assert moengage_control.get("/_sandbox/findings").json()["counts"] == {}


@pytest.mark.parametrize(
    ("path", "pair", "status"),
    [
        (WORKSPACE, None, 401),
        (WORKSPACE, (WORKSPACE, "wrong"), 401),
        (WORKSPACE, ("stranger", KEY), 401),
        (SECOND, (WORKSPACE, KEY), 409),
        (WITHOUT_KEY, (WITHOUT_KEY, ""), 409),
        (SECOND, (SECOND, "second-key"), 200),
    ],
)
def test_key_and_path_have_to_belong_together(
    moengage_control: httpx.Client, path: str, pair: tuple[str, str] | None, status: int
) -> None:
    auth = httpx.Auth() if pair is None else httpx.BasicAuth(*pair)
    answer = moengage_control.post(f"/v1/event/{path}", json=event("a"), auth=auth)

    assert answer.status_code == status
    if status != 200:
        assert answer.json()["status"] == "fail"
        assert answer.json()["error"]["request_id"]


def test_credentials_that_are_not_readable_are_refused(moengage_control: httpx.Client) -> None:
    for header in ("Basic ***", "Bearer x", "Basic " + base64.b64encode(b"nocolon").decode()):
        answer = moengage_control.post(
            f"/v1/event/{WORKSPACE}", json=event("a"), headers={"authorization": header}
        )
        assert answer.status_code == 401


def test_a_request_has_to_be_json(data_api: httpx.Client) -> None:
    answer = data_api.post(f"/v1/event/{WORKSPACE}", content=b"{}")

    assert answer.status_code == 415


def test_credentials_can_be_checked(moengage_control: httpx.Client) -> None:
    def check(secret: str) -> httpx.Response:
        return moengage_control.post(
            "/v1/integrations/authentication",
            json={"app_id": WORKSPACE, "app_secret": secret, "source": "relay", "region": "02"},
            headers={"MOE-APPKEY": WORKSPACE},
        )

    assert check(KEY).json() == {"status": "success", "app_name": "Sandbox"}
    assert check("wrong").status_code == 401


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{", "Malformed JSON"),
        (b"", "Malformed JSON"),
        (b'{"type": "transition", "elements": []}', "InvalidParams"),
        (b'{"type": "transition", "elements": [{"type": "event"}]}', "MissingAttributeError"),
    ],
)
def test_a_bulk_that_is_wrong_is_refused_whole(
    moengage_control: httpx.Client, data_api: httpx.Client, body: bytes, kind: str
) -> None:
    headers = {"content-type": "application/json"}
    answer = data_api.post(f"/v1/transition/{WORKSPACE}", content=body, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == kind
    assert summary(moengage_control) is None


def test_one_bad_element_takes_its_neighbours_along(
    moengage_control: httpx.Client, data_api: httpx.Client
) -> None:
    nameless = {**event("b"), "actions": [{"action": ""}]}

    answer = data_api.post(f"/v1/transition/{WORKSPACE}", json=bulk(event("a"), nameless))

    assert answer.status_code == 400
    assert answer.json()["error"]["attribute"] == "action"
    assert summary(moengage_control) is None


def padded(size: int, path: str) -> bytes:
    element = event("a")
    whole = bulk(element) if path == "transition" else element
    bare = len(json.dumps(whole))
    element["actions"][0]["attributes"]["padding"] = ""
    element["actions"][0]["attributes"]["padding"] = "x" * (size - len(json.dumps(whole)))
    assert bare < size == len(json.dumps(whole))
    return json.dumps(whole).encode()


@pytest.mark.parametrize(("path", "largest"), [("event", 128_000), ("transition", 100_000)])
def test_a_body_may_be_so_large_and_not_a_byte_more(
    data_api: httpx.Client, path: str, largest: int
) -> None:
    def status(size: int) -> int:
        return data_api.post(
            f"/v1/{path}/{WORKSPACE}",
            content=padded(size, path),
            headers={"content-type": "application/json"},
        ).status_code

    assert status(largest) == 200
    assert status(largest + 1) == 413


def test_a_workspace_has_so_many_events_a_minute(
    moengage_control: httpx.Client, data_api: httpx.Client
) -> None:
    limits = {"transitionEventsMax": 3, "windowSeconds": 3600, "resetStyle": "epoch"}
    moengage_control.put("/_sandbox/settings", json={"limits": limits})
    path = f"/v1/transition/{WORKSPACE}"

    taken = data_api.post(path, json=bulk(event("a"), event("b")))
    refused = data_api.post(path, json=bulk(event("c"), event("d")))

    assert taken.headers["x-ratelimit-limit"] == "3"
    assert taken.headers["x-ratelimit-remaining"] == "1"
    assert refused.status_code == 429
    assert refused.json()["error"]["type"] == "RateLimitError"
    assert int(refused.headers["x-ratelimit-reset"]) > 1_700_000_000
    assert summary(moengage_control)["entries"]["event"] == 2


def test_what_would_be_lost_in_silence_is_answered_200_and_told(
    moengage_control: httpx.Client, data_api: httpx.Client
) -> None:
    elements = [
        {**event("a"), "type": "Event"},
        event("b", current_time="2099-01-01T00:00:00Z"),
        event("c", "unknown"),
        {**event("d"), "actions": [{"action": "points.earned", "attributes": {"nothing": None}}]},
        {**customer(tier="Gold"), "update_existing_only": True, "customer_id": "cust-3003"},
    ]
    answer = data_api.post(f"/v1/transition/{WORKSPACE}", json=bulk(*elements))

    assert answer.status_code == 200
    assert moengage_control.get("/_sandbox/findings").json()["counts"] == {
        "wrong-case-type": 1,
        "future-time": 1,
        "forbidden-customer-id": 1,
        "prohibited-event-name": 1,
        "null-value": 1,
    }
    assert summary(moengage_control)["ignored"] == 4


def test_repeats_and_losses_are_found_by_the_relays_id(
    moengage_control: httpx.Client, data_api: httpx.Client
) -> None:
    for relay_id in ("a", "b", "a"):
        data_api.post(f"/v1/event/{WORKSPACE}", json=event(relay_id))

    repeated = moengage_control.get(f"{CONTROL}/relay-event-ids/repeated").json()
    compared = moengage_control.post(
        f"{CONTROL}/relay-event-ids/compare", json={"ids": ["a", "c"]}
    ).json()

    assert repeated == {"a": 2}
    assert compared == {"missing": ["c"], "missingCount": 1, "unexpectedCount": 1}
    assert summary(moengage_control)["relayEventIds"] == {
        "distinct": 2,
        "repeated": 1,
        "without": 0,
    }


def test_everything_that_arrived_can_be_had_line_by_line(
    moengage_control: httpx.Client, data_api: httpx.Client
) -> None:
    elements = [event(f"id-{number}", f"cust-{number % 7 + 10}") for number in range(300)]
    for start in range(0, 3000, 300):
        for place, element in enumerate(elements):
            element["actions"][0]["attributes"]["relay_event_id"] = f"id-{start + place}"
        data_api.post(f"/v1/transition/{WORKSPACE}", json=bulk(*elements)).raise_for_status()

    whole = moengage_control.get(f"{CONTROL}/entries?count=10000000")
    part = moengage_control.get(f"{CONTROL}/entries?after=2999&count=5&bodies=true")

    lines = [json.loads(line) for line in whole.text.splitlines()]
    assert [line["relayEventId"] for line in lines] == [f"id-{number}" for number in range(3000)]
    [last] = [json.loads(line) for line in part.text.splitlines()]
    assert last["element"]["customer_id"] == "cust-15"


@pytest.mark.parametrize(
    ("rule", "status", "kept"),
    [
        ({"kind": "error-before", "status": 403}, 403, 0),
        ({"kind": "error-before", "status": 401}, 401, 0),
        ({"kind": "error-after", "status": 502}, 502, 1),
        ({"kind": "throttle", "retryAfterSeconds": 9}, 429, 0),
    ],
)
def test_failures_are_answered_in_moengages_words_on_order(
    moengage_control: httpx.Client,
    data_api: httpx.Client,
    rule: dict[str, Any],
    status: int,
    kept: int,
) -> None:
    moengage_control.post("/_sandbox/faults", json={"rules": [rule]})

    answer = data_api.post(f"/v1/event/{WORKSPACE}", json=event("a"))

    assert answer.status_code == status
    assert answer.json()["status"] == "fail"
    if status == 429:
        assert answer.headers["x-ratelimit-reset"] == "9"
    state = summary(moengage_control)
    assert (0 if state is None else state["entries"]["event"]) == kept


@pytest.mark.parametrize(("kind", "kept"), [("drop-before", 0), ("drop-after", 1)])
def test_connections_are_dropped_before_or_after_the_work(
    moengage_control: httpx.Client, data_api: httpx.Client, kind: str, kept: int
) -> None:
    moengage_control.post("/_sandbox/faults", json={"rules": [{"kind": kind}]})

    with pytest.raises(httpx.TransportError):
        data_api.post(f"/v1/event/{WORKSPACE}", json=event("a"))

    state = summary(moengage_control)
    assert (0 if state is None else state["entries"]["event"]) == kept


def test_a_restart_forgets_nothing_that_was_taken(
    moengage_control: httpx.Client, data_api: httpx.Client
) -> None:
    data_api.post(f"/v1/event/{WORKSPACE}", json=event("a"))
    restart = {"refuseMilliseconds": 0, "queue": "forget"}
    assert moengage_control.post("/_sandbox/restart", json=restart).status_code == 202

    deadline = time.monotonic() + 10
    away, state = 0, summary(moengage_control)
    while time.monotonic() < deadline:
        try:
            state = summary(moengage_control)
        except httpx.TransportError:
            away += 1
            continue
        if away:
            break
    assert away
    assert state["entries"]["event"] == 1


def test_the_page_shows_what_arrived_and_nothing_from_elsewhere(
    moengage_control: httpx.Client, data_api: httpx.Client
) -> None:
    data_api.post(f"/v1/event/{WORKSPACE}", json=event("<b>a</b>"))

    page = moengage_control.get("/")

    for words in ("cust-1001", "points_earned", "&lt;b&gt;a&lt;/b&gt;", "POST /v1/event/"):
        assert words in page.text
    assert "://" not in page.text
    assert moengage_control.get("/_sandbox/workspaces/nothing/customers").status_code == 404

"""The stand-in Engage as a point master meets it."""

import time
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

CONTACT = "11111111-1111-4111-8111-111111111111"
SECOND = "22222222-2222-4222-8222-222222222222"
STRANGER = "33333333-3333-4333-8333-333333333333"
BALANCES = "/api/v3/point-accounts/balances"
TRANSACTIONS = "/api/v2/point-accounts/transactions"
FORMS = ("string", "id", "transactionId", "batchId", "text", "location")


def total(amount: float, contact: str = CONTACT, definition: int = 1) -> dict[str, Any]:
    return {
        "contactId": contact,
        "amount": amount,
        "definitionId": definition,
        "timeStamp": "2026-01-01T00:00:00Z",
    }


def row(amount: float, **changes: Any) -> dict[str, Any]:
    return {
        **total(amount),
        "source": "Purchase",
        "description": "Gloves",
        "validFrom": "2026-01-01T00:00:00Z",
        **changes,
    }


def account(api: httpx.Client) -> dict[str, Any]:
    [only] = api.get("/api/v3/point-accounts", params={"contactId": CONTACT}).json()
    return dict(only)


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"user-agent": "x/1", "content-type": "application/json"}, 401, "denied"),
        ({"apikey": "no", "user-agent": "x/1", "content-type": "application/json"}, 401, "denied"),
        (
            {"apikey": "sandbox-key", "user-agent": "", "content-type": "application/json"},
            403,
            "User-Agent",
        ),
        ({"apikey": "sandbox-key", "user-agent": "x/1"}, 500, "An error has occurred"),
        (
            {"apikey": "sandbox-key", "user-agent": "x/1", "content-type": "text/plain"},
            500,
            "error",
        ),
    ],
)
def test_a_request_needs_key_user_agent_and_content_type_even_to_read(
    control: httpx.Client, headers: dict[str, str], status: int, words: str
) -> None:
    answer = control.get(f"/api/v2/point-accounts?contactId={CONTACT}", headers=headers)

    assert answer.status_code == status
    assert words in answer.json()["message"]


def test_the_header_of_the_key_can_be_another(control: httpx.Client, api: httpx.Client) -> None:
    control.put("/_sandbox/settings", json={"apiKeyHeader": "X-Api-Key", "apiKeys": ["a", "b"]})
    path = f"/api/v3/point-accounts?contactId={CONTACT}"

    assert api.get(path).status_code == 401
    assert api.get(path, headers={"x-api-key": "b"}).status_code == 200


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_totals_wait_for_the_job_and_their_status_follows(
    control: httpx.Client, api: httpx.Client, version: str
) -> None:
    path = f"/api/{version}/point-accounts/balances"
    answer = api.post(path, json=[total(122), total(1, STRANGER), total(1, definition=9)])
    assert answer.status_code == 202
    status = f"{path}/status/{answer.json()}"

    before = api.get(status).json()
    assert before["status"] == "Queued"
    assert set(before) == {"id", "status", "timeStamp", "messages"}
    assert api.get(f"/api/v3/point-accounts?contactId={CONTACT}").json() == []

    run = control.post("/_sandbox/run-job").json()
    after = api.get(status).json()

    assert run == {"requests": 1, "rows": 1, "waitingRequests": 0}
    assert after["status"] == "Completed"
    assert [one["message"] for one in after["messages"]] == [
        f"Contact {STRANGER} was not found",
        f"Point definition 9 was not found (contact {CONTACT})",
    ]
    assert account(api)["balance"] == 122


def test_the_job_runs_by_itself_where_it_is_set_to(
    control: httpx.Client, api: httpx.Client
) -> None:
    control.put("/_sandbox/settings", json={"balances": {"jobSeconds": 0.05}})
    api.post(BALANCES, json=[total(5)])

    deadline = time.monotonic() + 10
    while control.get("/_sandbox").json()["queue"]["waitingRequests"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert account(api)["balance"] == 5


def identifier(answer: httpx.Response) -> str:
    if not answer.content:
        return answer.headers["location"].rsplit("/", 1)[1]
    if answer.headers["content-type"].startswith("text/plain"):
        return answer.text
    content = answer.json()
    return str(content if isinstance(content, str) else next(iter(content.values())))


def shape(answer: httpx.Response) -> str:
    """Which of the forms an answer has."""
    if not answer.content:
        return "location"
    if answer.headers["content-type"].startswith("text/plain"):
        return "text"
    content = answer.json()
    return "string" if isinstance(content, str) else str(next(iter(content)))


@pytest.mark.parametrize("form", [*FORMS, "rotate"])
def test_the_id_comes_in_any_form_a_master_may_meet(
    control: httpx.Client, api: httpx.Client, form: str
) -> None:
    control.put("/_sandbox/settings", json={"balances": {"answerForm": form, "answerStatus": 200}})
    answers = [api.post(BALANCES, json=[total(amount)]) for amount in range(6)]

    for answer in answers:
        assert answer.status_code == 200
        assert api.get(f"{BALANCES}/status/{identifier(answer)}").status_code == 200
    shapes = {shape(answer) for answer in answers}
    assert shapes == (set(FORMS) if form == "rotate" else {form})


def test_the_words_of_a_status_are_a_setting(control: httpx.Client, api: httpx.Client) -> None:
    control.put("/_sandbox/settings", json={"balances": {"statusWords": {"completed": "Klar"}}})
    status = f"{BALANCES}/status/{api.post(BALANCES, json=[total(1)]).json()}"
    control.post("/_sandbox/run-job")

    assert api.get(status).json()["status"] == "Klar"
    assert api.get(f"{BALANCES}/status/{STRANGER}").status_code == 404


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([total(1)] * 1001, "Too many items"),
        ([], "No items"),
        ([{**total(1), "amount": "1"}], "amount must be a JSON number"),
        ({"contactId": CONTACT}, "array"),
    ],
)
def test_a_bad_body_of_totals_is_refused_whole(
    control: httpx.Client, api: httpx.Client, rows: object, message: str
) -> None:
    answer = api.post(BALANCES, json=rows)

    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert control.get("/_sandbox/queue").json() == []


def test_nothing_is_taken_where_the_new_point_system_is_not_active(
    control: httpx.Client, api: httpx.Client
) -> None:
    control.put("/_sandbox/settings", json={"newPointSystemActive": False})

    for path in (BALANCES, TRANSACTIONS):
        answer = api.post(path, json=[row(1)])
        assert answer.status_code == 400
        assert answer.json()["message"] == "New point system not active"


def test_transactions_add_up_and_bad_rows_are_named_under_a_202(
    control: httpx.Client, api: httpx.Client
) -> None:
    del control
    answer = api.post(
        TRANSACTIONS,
        json=[row(12.5), row(-2.25), row(1, contactId=STRANGER), row(1, source="")],
    )

    assert answer.status_code == 202
    assert len(answer.json()["notAccepted"]) == 2
    assert answer.json()["missingContactIds"] == [STRANGER]
    assert account(api)["balance"] == 10.25
    assert b'"balance":10.25' in api.get(f"/api/v3/point-accounts?contactId={CONTACT}").content


def test_a_repeated_key_gets_the_same_answer_and_adds_nothing_for_a_day(
    control: httpx.Client, api: httpx.Client
) -> None:
    control.post("/_sandbox/clock", json={"set": "2026-06-01T00:00:00Z", "frozen": True})
    key = {"idempotency-key": "batch-1"}
    rows = [row(10), row(1, description="")]

    first = api.post(TRANSACTIONS, json=rows, headers=key)
    second = api.post(TRANSACTIONS, json=rows, headers=key)
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert account(api)["balance"] == 10

    control.post("/_sandbox/clock", json={"advanceSeconds": 86_400})
    api.post(TRANSACTIONS, json=rows, headers=key)
    assert account(api)["balance"] == 20
    api.post(TRANSACTIONS, json=rows)
    assert account(api)["balance"] == 30
    assert control.get("/_sandbox/findings").json()["counts"] == {"no-idempotency-key": 1}


@pytest.mark.parametrize(
    ("behaviour", "status", "balance"),
    [("conflict", 409, 1), ("replay", 202, 1), ("process", 202, 3)],
)
def test_the_same_key_with_another_body_does_what_is_set(
    control: httpx.Client, api: httpx.Client, behaviour: str, status: int, balance: int
) -> None:
    control.put("/_sandbox/settings", json={"transactions": {"sameKeyOtherBody": behaviour}})
    key = {"idempotency-key": "batch-1"}
    api.post(TRANSACTIONS, json=[row(1)], headers=key)

    assert api.post(TRANSACTIONS, json=[row(2)], headers=key).status_code == status
    assert account(api)["balance"] == balance


def test_pending_points_become_active_when_the_clock_says_so(
    control: httpx.Client, api: httpx.Client
) -> None:
    control.post("/_sandbox/clock", json={"set": "2026-06-01T00:00:00Z", "frozen": True})
    later = row(40, validFrom="2026-06-15T00:00:00Z")
    api.post(TRANSACTIONS, json=[row(2), later])

    def listed(wanted: str) -> Sequence[int]:
        query = {"contactId": CONTACT, "definitionId": "1", "filter": wanted}
        page = api.get(TRANSACTIONS, params=query).json()
        assert page["totalCount"] == len(page["items"])
        return [item["amount"] for item in page["items"]]

    assert (account(api)["balance"], account(api)["pendingPoints"]) == (2, 40)
    assert (listed("All"), listed("Active"), listed("Pending")) == ([40, 2], [2], [40])

    control.post("/_sandbox/clock", json={"set": "2026-06-15T00:00:00Z"})

    assert (account(api)["balance"], account(api)["pendingPoints"]) == (42, 0)
    assert (listed("Active"), listed("Pending")) == ([40, 2], [])


def test_engage_expires_points_where_it_is_set_to(control: httpx.Client, api: httpx.Client) -> None:
    control.put("/_sandbox/settings", json={"transactions": {"expire": True}})
    control.post("/_sandbox/clock", json={"set": "2026-06-01T00:00:00Z", "frozen": True})
    api.post(TRANSACTIONS, json=[row(40, validTo="2026-07-01T00:00:00Z"), row(-15)])

    control.post("/_sandbox/clock", json={"set": "2026-07-01T00:00:00Z"})

    assert account(api)["balance"] == 0
    query = {"contactId": CONTACT, "definitionId": "1"}
    newest = api.get(TRANSACTIONS, params=query).json()["items"][0]
    assert (newest["type"], newest["amount"]) == ("Expiry", -25)


def test_accounts_and_transactions_are_read_as_v2_and_v3_write_them(
    control: httpx.Client, api: httpx.Client
) -> None:
    del control
    api.post(TRANSACTIONS, json=[row(number) for number in range(1, 6)])

    page = api.get("/api/v2/point-accounts", params={"contactId": CONTACT.upper()}).json()
    [v2] = page["items"]
    assert (page["totalCount"], page["offset"], page["count"], page["links"]) == (1, 0, 100, [])
    assert api.get(f"/api/v2/point-accounts/{v2['id']}").json() == v2
    assert (v2["balance"], v2["definitionId"], v2["contactId"]) == (15, 1, CONTACT)

    query = {"accountId": v2["id"], "offset": 1, "count": 2}
    part = api.get(TRANSACTIONS, params=query).json()
    assert [item["amount"] for item in part["items"]] == [4, 3]
    assert part["totalCount"] == 5
    one = part["items"][0]
    assert api.get(f"{TRANSACTIONS}/{one['id']}").json() == one

    v3 = account(api)
    assert len(v3["id"]) == 36
    part_v3 = api.get("/api/v3/point-transactions", params={"accountId": v3["id"]}).json()
    assert part_v3["totalCount"] == 5
    assert part_v3["items"][0]["accountId"] == v3["id"]
    assert part_v3["items"][0]["validFrom"] == "2026-01-01T00:00:00.000000+00:00"

    definitions = api.get("/api/v2/point-accounts/definitions").json()
    assert [one["id"] for one in definitions] == [1]
    assert api.get("/api/v2/point-accounts/definitions/1").json() == definitions[0]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v2/point-accounts", 400),
        (f"/api/v2/point-accounts?contactId={STRANGER}", 404),
        (f"/api/v2/point-accounts?contactId={CONTACT}&count=5000", 400),
        (f"/api/v2/point-accounts?contactId={CONTACT}&offset=x", 400),
        ("/api/v2/point-accounts/99", 404),
        ("/api/v2/point-accounts/definitions/9", 404),
        (f"{TRANSACTIONS}?contactId={CONTACT}", 400),
        (f"{TRANSACTIONS}?accountId=1&filter=Some", 400),
        (f"{TRANSACTIONS}/99", 404),
        ("/api/v3/point-transactions", 404),
        ("/api/v2/contacts/id", 400),
        ("/api/v2/contacts/id?email=nobody@example.com", 404),
        ("/api/v2/contacts/changes?changeType=Gone&fromDate=2026-01-01", 400),
        ("/api/v2/contacts/changes?changeType=Created", 400),
        (f"/api/v2/contacts/{STRANGER}", 404),
        ("/api/v2/nothing", 404),
    ],
)
def test_what_cannot_be_answered_says_so_as_json(api: httpx.Client, path: str, status: int) -> None:
    answer = api.get(path)

    assert answer.status_code == status
    assert answer.json()["message"]


def test_contacts_are_found_and_noticed_when_they_change(
    control: httpx.Client, api: httpx.Client
) -> None:
    contacts = [
        {"id": CONTACT, "email": "one@example.com", "customKey": "1001"},
        {"id": SECOND, "email": "two@example.com", "mobilePhone": "+46701234567"},
    ]
    control.post("/_sandbox/contacts", json={"contacts": contacts})

    for query, found in (
        ({"email": "one@example.com"}, CONTACT),
        ({"customKey": "1001"}, CONTACT),
        ({"mobilePhone": "+46701234567"}, SECOND),
        ({"any": "two@example.com"}, SECOND),
    ):
        for version in ("v2", "v3"):
            assert api.get(f"/api/{version}/contacts/id", params=query).json() == found
    assert api.get(f"/api/v2/contacts/{CONTACT}").json()["attributes"]["memberNumber"] == "1001"
    overview = api.get("/api/v2/contactoverview?customKey=1001&contactType=Member").json()
    assert overview["id"] == CONTACT

    control.delete(f"/_sandbox/contacts/{SECOND}").raise_for_status()
    changes = {"changeType": "Deleted", "fromDate": "2020-01-01T00:00:00Z"}
    assert api.get("/api/v2/contacts/changes", params=changes).json() == [SECOND]
    assert api.get(f"/api/v3/point-accounts?contactId={SECOND}").status_code == 404


@pytest.mark.parametrize(("points", "left"), [("move", 12), ("drop", 5)])
def test_a_merged_contact_is_gone_and_its_points_move_or_do_not(
    control: httpx.Client, api: httpx.Client, points: str, left: int
) -> None:
    control.post("/_sandbox/contacts", json={"contacts": [{"id": SECOND}]})
    balances = [{"contactId": CONTACT, "amount": 5}, {"contactId": SECOND, "amount": 7}]
    control.post("/_sandbox/balances", json={"balances": balances}).raise_for_status()

    merge = {"source": SECOND, "target": CONTACT, "points": points}
    control.post("/_sandbox/contacts/merge", json=merge).raise_for_status()

    assert account(api)["balance"] == left
    assert api.get(f"/api/v2/contacts/{SECOND}").status_code == 404


def test_two_rows_for_one_account_are_taken_and_told(
    control: httpx.Client, api: httpx.Client
) -> None:
    api.post(BALANCES, json=[total(1), total(2)])
    control.post("/_sandbox/run-job")

    assert account(api)["balance"] == 2
    counts = control.get("/_sandbox/findings").json()["counts"]
    assert counts == {"two-rows-for-one-account": 1}


def test_above_200_requests_in_a_second_are_refused_and_above_50_reported(
    control: httpx.Client, api: httpx.Client
) -> None:
    path = f"/api/v3/point-accounts?contactId={CONTACT}"
    control.put(
        "/_sandbox/settings",
        json={
            "rate": {
                "requestsPerSecondMax": 20,
                "courtesyRequestsPerSecond": 5,
                "retryAfterSeconds": 2,
            }
        },
    )
    answers = [api.get(path) for _ in range(40)]

    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].headers["retry-after"] == "2"
    [rate] = control.get("/_sandbox").json()["rate"]
    assert rate["refused"] == len(refused)
    assert rate["highestInAnySecond"] > 20
    assert rate["busySeconds"]

    control.put("/_sandbox/settings", json={"rate": {"requestsPerSecondMax": None}})
    assert {api.get(path).status_code for _ in range(60)} == {200}


def test_the_limit_of_200_holds_by_default(control: httpx.Client, api: httpx.Client) -> None:
    settings = control.get("/_sandbox/settings").json()

    assert settings["rate"]["requestsPerSecondMax"] == 200
    assert settings["rate"]["courtesyRequestsPerSecond"] == 50
    assert settings["rowsMax"] == 1000
    assert api.get("/api/v2/point-accounts/definitions").status_code == 200

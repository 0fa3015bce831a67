"""The stand-in Engage acting: it sends adjustments, tells balances, asks for the points log."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from svix.webhooks import Webhook, WebhookVerificationError

CONTACT = "11111111-1111-4111-8111-111111111111"
KEY = "AbcdefghijklmnopqrstuvwxyZ012345"
SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
OTHER_SECRET = "whsec_" + base64.b64encode(b"abcdef012345678901234567").decode()

Answer = tuple[int, dict[str, str], bytes]


class Master:
    """A point master that answers what it is told to and remembers what it was sent."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Callable[[int], Answer] = lambda _: (200, {}, b"[]")
        self.address = ""

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 10
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"only {len(self.received)} of {count} came"
            time.sleep(0.01)


@pytest.fixture
def master() -> Iterator[Master]:
    master = Master()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            master.received.append((self.path, headers, body))
            status, more, content = master.answer(len(master.received))
            self.send_response(status)
            for name, value in {"content-type": "application/json", **more}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST  # noqa: N815 - the name is the standard library's

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    master.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield master
    server.shutdown()
    thread.join()
    server.server_close()


def use(control: httpx.Client, master: Master, **webhook: Any) -> None:
    settings = {
        "url": f"{master.address}/hook",
        "signingSecrets": [SECRET],
        "encryptionKey": KEY,
        "retrySeconds": [0, 0.02, 0.02],
        **webhook,
    }
    control.put("/_sandbox/settings", json={"webhook": settings}).raise_for_status()


def adjust(control: httpx.Client, *adjustments: dict[str, Any], **options: Any) -> Any:
    body = {"adjustments": adjustments, "waitSeconds": 5, **options}
    answer = control.post("/_sandbox/adjustments", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()["deliveries"]


def open_payload(envelope: dict[str, Any]) -> Any:
    sealed = base64.b64decode(envelope["payload"], validate=True)
    decryptor = Cipher(algorithms.AES(KEY.encode()), modes.CBC(sealed[:16])).decryptor()
    unpadder = PKCS7(128).unpadder()
    padded = decryptor.update(sealed[16:]) + decryptor.finalize()
    return json.loads(unpadder.update(padded) + unpadder.finalize())


def test_an_adjustment_arrives_signed_and_encrypted_and_changes_nothing_in_engage(
    control: httpx.Client, master: Master
) -> None:
    use(control, master, signingSecrets=[OTHER_SECRET, SECRET])

    [delivery] = adjust(control, {"contactId": CONTACT, "amount": -40.25, "kind": "manual"})

    assert delivery["state"] == "delivered"
    [(path, headers, body)] = master.received
    assert path == "/hook"
    for secret in (SECRET, OTHER_SECRET):
        Webhook(secret).verify(body, headers)
    envelope = json.loads(body)
    assert envelope["eventType"] == "loyalty.addPoints"
    assert envelope["tenant"] == "sandbox"
    payload = open_payload(envelope)
    assert (payload["ContactId"], payload["Amount"], payload["Source"]) == (
        CONTACT,
        -40.25,
        "Manual",
    )
    assert control.get("/_sandbox/balances").json() == []


def test_an_automation_is_sent_in_the_clear_where_it_is_set_to(
    control: httpx.Client, master: Master
) -> None:
    use(control, master, encryptionKey=None, casing="camel", headerFamily="webhook")

    adjust(control, {"contactId": CONTACT, "amount": 7, "kind": "automation", "reason": "Birthday"})

    [(_, headers, body)] = master.received
    Webhook(SECRET).verify(body, headers)
    assert "svix-id" not in headers
    envelope = json.loads(body)
    assert envelope["isEncrypted"] is False
    assert envelope["payload"]["reason"] == "Birthday"
    assert envelope["payload"]["workflowName"] == ""


def test_a_message_is_tried_again_with_the_same_id_and_a_new_signature_until_it_arrives(
    control: httpx.Client, master: Master
) -> None:
    use(control, master)
    master.answer = lambda count: (500 if count < 3 else 204, {}, b"")

    [delivery] = adjust(control, {"contactId": CONTACT, "amount": 1})
    master.wait_for(3)
    time.sleep(0.1)

    assert len(master.received) == 3
    assert {headers["svix-id"] for _, headers, _ in master.received} == {delivery["messageId"]}
    assert len({body for _, _, body in master.received}) == 1
    for _, headers, body in master.received:
        Webhook(SECRET).verify(body, headers)
    [shown] = control.get("/_sandbox/deliveries?bodies=true").json()["deliveries"]
    assert [attempt["status"] for attempt in shown["attempts"]] == [500, 500, 204]
    assert shown["payload"]["ContactId"] == CONTACT


def test_a_message_given_up_can_be_sent_again_by_hand(
    control: httpx.Client, master: Master
) -> None:
    use(control, master)
    master.answer = lambda count: (500 if count <= 3 else 200, {}, b"")
    [delivery] = adjust(control, {"contactId": CONTACT, "amount": 1})
    master.wait_for(3)
    time.sleep(0.1)
    failed = control.get("/_sandbox/deliveries?state=failed").json()
    assert failed["counts"]["failed"] == 1

    assert control.post("/_sandbox/deliveries/resend-failed").json() == {"resent": 1}
    master.wait_for(4)

    assert master.received[3][1]["svix-id"] == delivery["messageId"]


def test_a_receiver_can_end_the_attempts(control: httpx.Client, master: Master) -> None:
    use(control, master)
    master.answer = lambda _: (400, {"webhook-delivery": "abort-message"}, b"")

    [delivery] = adjust(control, {"contactId": CONTACT, "amount": 1})
    time.sleep(0.1)

    assert delivery["state"] in ("waiting", "aborted")
    assert control.get("/_sandbox/deliveries?state=aborted").json()["counts"]["aborted"] == 1
    assert len(master.received) == 1


def test_nobody_answering_is_an_attempt_like_any_other(control: httpx.Client) -> None:
    control.put(
        "/_sandbox/settings",
        json={"webhook": {"url": "http://127.0.0.1:9/", "retrySeconds": [0]}},
    )

    [delivery] = adjust(control, {"contactId": CONTACT, "amount": 1})

    [attempt] = delivery["attempts"]
    assert attempt["status"] is None
    assert "Connect" in attempt["answer"]


@pytest.mark.parametrize(
    "tamper",
    ["wrong-signature", "no-signature", "old-timestamp", "future-timestamp", "changed-body"],
)
def test_forged_signatures_are_refused_by_svix(
    control: httpx.Client, master: Master, tamper: str
) -> None:
    use(control, master)

    adjust(control, {"contactId": CONTACT, "amount": 1}, tamper=tamper)

    [(_, headers, body)] = master.received
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body, headers)


@pytest.mark.parametrize("tamper", ["truncated-ciphertext", "wrong-key"])
def test_spoilt_ciphertexts_are_authentic_and_unreadable(
    control: httpx.Client, master: Master, tamper: str
) -> None:
    use(control, master)

    adjust(control, {"contactId": CONTACT, "amount": 1}, tamper=tamper)

    [(_, headers, body)] = master.received
    Webhook(SECRET).verify(body, headers)
    with pytest.raises(ValueError):  # noqa: PT011 - length, padding, text or JSON: by chance
        open_payload(json.loads(body))


@pytest.mark.parametrize(
    ("tamper", "ids"), [("duplicate-delivery", 1), ("same-envelope-new-id", 2)]
)
def test_repetitions_share_the_envelope_and_the_message_id_or_not(
    control: httpx.Client, master: Master, tamper: str, ids: int
) -> None:
    use(control, master)

    adjust(control, {"contactId": CONTACT, "amount": 1}, tamper=tamper)
    master.wait_for(2)

    assert len({json.loads(body)["id"] for _, _, body in master.received}) == 1
    assert len({headers["svix-id"] for _, headers, _ in master.received}) == ids


def test_the_same_event_can_be_told_again_in_a_new_message(
    control: httpx.Client, master: Master
) -> None:
    use(control, master)

    for _ in range(2):
        adjust(control, {"contactId": CONTACT, "amount": 1, "eventId": "event-1"})

    assert [json.loads(body)["id"] for _, _, body in master.received] == ["event-1", "event-1"]
    assert len({headers["svix-id"] for _, headers, _ in master.received}) == 2


def test_a_changed_balance_is_told_where_it_is_set_to(
    control: httpx.Client, master: Master
) -> None:
    use(control, master, balanceUpdated=True, envelopeIdField="eventId", encryptionKey=None)

    balances = [{"contactId": CONTACT, "amount": 12.5}]
    control.post("/_sandbox/balances", json={"balances": balances}).raise_for_status()
    master.wait_for(1)

    envelope = json.loads(master.received[0][2])
    assert envelope["eventType"] == "point.balance.updated"
    assert "eventId" in envelope
    assert envelope["payload"] == {
        "balance": 12.5,
        "contactId": CONTACT,
        "accountId": 1,
        "definitionId": "1",
        "balanceExpires": None,
    }


def test_a_message_of_any_type_can_be_sent(control: httpx.Client, master: Master) -> None:
    use(control, master, encryptionKey=None)

    message = {"eventType": "contact.updated", "payload": {"id": CONTACT}, "waitSeconds": 5}
    assert control.post("/_sandbox/messages", json=message).status_code == 202

    assert json.loads(master.received[0][2])["eventType"] == "contact.updated"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"adjustments": []}, 400, "adjustments"),
        ({"adjustments": [{"contactId": CONTACT, "amount": "1"}]}, 400, "adjustments[0]"),
        ({"adjustments": [{"contactId": CONTACT}]}, 400, "amount"),
        ({"adjustments": [{"contactId": CONTACT, "amount": 1, "points": 2}]}, 400, "points"),
        ({"adjustments": [{"contactId": CONTACT, "amount": 1}], "tamper": "x"}, 400, "tamper"),
    ],
)
def test_an_adjustment_that_cannot_be_made_says_why(
    control: httpx.Client, master: Master, body: dict[str, Any], status: int, words: str
) -> None:
    use(control, master)
    answer = control.post("/_sandbox/adjustments", json=body)

    assert answer.status_code == status
    assert words in answer.json()["message"]
    assert master.received == []


def test_without_an_address_there_is_nowhere_to_send_to(control: httpx.Client) -> None:
    adjustment = {"adjustments": [{"contactId": CONTACT, "amount": 1}]}

    answer = control.post("/_sandbox/adjustments", json=adjustment)

    assert answer.status_code == 409
    assert "webhook.url" in answer.json()["message"]


def log_of(amount: int) -> bytes:
    return json.dumps(
        [{"transactionDate": "2026-01-01T00:00:00Z", "amount": amount, "description": "Gloves"}]
    ).encode()


@pytest.mark.parametrize(
    ("settings", "header", "value"),
    [
        (
            {"authentication": "header", "headerName": "X-Key", "headerValue": "secret"},
            "x-key",
            "secret",
        ),
        (
            {"authentication": "basic", "username": "engage", "password": "secret"},
            "authorization",
            "Basic " + base64.b64encode(b"engage:secret").decode(),
        ),
        ({"authentication": "none"}, "authorization", None),
    ],
)
def test_the_points_log_is_asked_for_as_the_tenant_is_set_up(
    control: httpx.Client,
    master: Master,
    settings: dict[str, str],
    header: str,
    value: str | None,
) -> None:
    master.answer = lambda _: (200, {}, log_of(1900))
    url = f"{master.address}/log/{{contactId}}"
    points_log = {"url": url, "uppercase": True, **settings}
    control.put("/_sandbox/settings", json={"pointsLog": points_log}).raise_for_status()
    contact = "abcdefab-1111-4111-8111-111111111111"

    log = control.post("/_sandbox/points-log", json={"contactId": contact}).json()

    [(path, headers, _)] = master.received
    assert path == f"/log/{contact.upper()}"
    assert headers.get(header) == value
    assert (log["status"], log["rows"], log["sum"], log["problems"]) == (200, 1, 1900, [])
    assert json.loads(log["body"])[0]["description"] == "Gloves"


def test_the_logs_of_all_contacts_are_asked_for_and_judged(
    control: httpx.Client, master: Master
) -> None:
    contacts = [{"id": f"{number:08d}-1111-4111-8111-111111111111"} for number in range(20)]
    control.post("/_sandbox/reset")
    control.post("/_sandbox/contacts", json={"contacts": contacts})
    control.put("/_sandbox/settings", json={"pointsLog": {"url": f"{master.address}/log"}})
    master.answer = lambda count: (200, {}, log_of(5) if count % 2 else b"{}")

    summary = control.post("/_sandbox/points-log/all", json={"concurrency": 4, "sums": True}).json()

    assert (summary["asked"], summary["withoutProblems"], summary["rows"]) == (20, 10, 10)
    assert sum(summary["sums"].values()) == 50
    assert "not an array" in summary["problems"][0]


def test_a_master_that_does_not_answer_is_a_problem_and_no_error(control: httpx.Client) -> None:
    control.put("/_sandbox/settings", json={"pointsLog": {"url": "http://127.0.0.1:9/log"}})

    log = control.post("/_sandbox/points-log", json={"contactId": CONTACT}).json()

    assert log["status"] is None
    assert "no answer" in log["problems"][0]

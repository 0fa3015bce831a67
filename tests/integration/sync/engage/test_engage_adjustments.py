"""Adjustments made in Engage: booked once, sent back by the next push; what can't be is kept."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from ledger import reading
from ledger.tenants import DefinitionDeclaration, TenantDeclaration, declare
from sandbox.engage.webhooks import encrypt_payload
from sync.engage import DeliveryState, Follower, NotReplayableError
from sync.engage.settings import LogAuthentication, PointsLogOptions, WebhookOptions
from sync.secret import Secret
from tests.following.door import door
from tests.following.program import (
    ENCRYPTION_KEY,
    SIGNING_SECRET,
    TENANT,
    Program,
    Sandbox,
    member,
)

OTHER_KEY = "0123456789abcdefghijklmnopqrstuv"


@pytest.fixture
async def follower(program: Program, engage: Sandbox) -> AsyncIterator[Follower]:
    """A follower that Engage can reach."""
    follower = await program.follower(
        points_log=PointsLogOptions(authentication=LogAuthentication.HEADER),
        secrets={"points_log": (Secret("log-secret"),)},
    )
    async with door(follower) as address:
        engage.set(
            webhook={
                "url": f"{address}/webhooks",
                "signingSecrets": [SIGNING_SECRET],
                "encryptionKey": ENCRYPTION_KEY,
                "retryScale": 0.0001,
            },
            pointsLog={
                "url": f"{address}/points-log",
                "authentication": "header",
                "headerValue": "log-secret",
            },
        )
        engage.know(member(1001), member(1002))
        yield follower


async def ask(engage: Sandbox, *adjustments: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """Have Engage send adjustments; its deliveries when each had its first attempt."""
    body = {"adjustments": list(adjustments), "waitSeconds": 10} | more
    answer = await asyncio.to_thread(engage.post, "/adjustments", body)
    return list(answer["deliveries"])


def adjustment(amount: float, number: int = 1001, **more: Any) -> dict[str, Any]:
    return {"contactId": str(member(number)), "amount": amount} | more


async def available(program: Program, number: int = 1001, definition: int = 1) -> int:
    async with program.pool.acquire() as connection:
        found = await reading.balances(
            connection,
            program.catalogue.tenants[TENANT].id,
            member(number),
            definition=program.definition(definition).id,
        )
    return found[0].balance.available - found[0].balance.debt if found else 0


async def test_a_manual_adjustment_is_booked_and_comes_back_with_the_next_push(
    program: Program, engage: Sandbox, follower: Follower
) -> None:
    (delivery,) = await ask(
        engage, adjustment(40, userName="Back office", description="Give points")
    )
    assert delivery["state"] == "delivered"
    assert engage.balances() == {}, "not applied before the master says so"
    assert await available(program) == 40
    (kept,) = await follower.deliveries()
    assert (kept.state, kept.event_type) == (DeliveryState.BOOKED, "loyalty.addPoints")
    assert kept.contact_id == member(1001)
    assert kept.transaction_id is not None
    async with program.pool.acquire() as connection:
        tenant = program.catalogue.tenants[TENANT].id
        booked = await reading.transaction_by_id(connection, tenant, kept.transaction_id)
    assert booked is not None
    assert booked.source == "engage.manual"
    assert booked.texts.idempotency_key == f"engage:{kept.envelope_id}"
    assert (booked.texts.actor, booked.texts.description) == ("Back office", "Give points")
    await follower.push()
    engage.run_job()
    assert (await follower.sync(wait_seconds=5)).is_complete
    assert engage.balances() == {member(1001): Decimal(40)}


@pytest.mark.parametrize("casing", ["pascal", "camel"])
@pytest.mark.parametrize("alphabet", ["standard", "urlsafe"])
async def test_automations_in_every_form_of_writing(
    program: Program, engage: Sandbox, follower: Follower, casing: str, alphabet: str
) -> None:
    engage.set(
        webhook={
            "casing": casing,
            "alphabet": alphabet,
            "headerFamily": "webhook",
            "envelopeIdField": "eventId",
            "withIsEncrypted": False,
        }
    )
    await ask(engage, adjustment(12.5, kind="automation", pointDefinitionId=2))
    assert await available(program, definition=2) == 1250
    source = await program.pool.fetchval("select source from ledger.transaction")
    assert source == "engage.automation"
    assert (await follower.deliveries())[0].state is DeliveryState.BOOKED


async def test_points_are_taken_away_into_debt_if_need_be(
    program: Program, engage: Sandbox, follower: Follower
) -> None:
    await ask(engage, adjustment(40), adjustment(-100))
    assert await available(program) == -60
    assert [one.state for one in await follower.deliveries()] == [DeliveryState.BOOKED] * 2


@pytest.mark.parametrize("tamper", ["duplicate-delivery", "same-envelope-new-id"])
async def test_what_comes_twice_is_booked_once(
    program: Program, engage: Sandbox, follower: Follower, tamper: str
) -> None:
    deliveries = await ask(engage, adjustment(40), tamper=tamper)
    assert {delivery["state"] for delivery in deliveries} == {"delivered"}
    assert await available(program) == 40
    (kept,) = await follower.deliveries()
    assert kept.repeats == 1


async def test_a_hundred_copies_at_once_are_booked_once(
    program: Program, follower: Follower
) -> None:
    body = envelope(adjustment(7))
    receipts = await asyncio.gather(*(receive(follower, body) for _ in range(100)))
    assert {receipt.status_code for receipt in receipts} == {200}
    assert sum(receipt.state is DeliveryState.BOOKED for receipt in receipts) == 1
    assert await available(program) == 7


@pytest.mark.usefixtures("follower")
async def test_a_ciphertext_under_another_event_id_is_recognised(program: Program) -> None:
    """Without a signature the event's id is anybody's to write."""
    unsigned = await program.follower(secrets={"signing_secrets": ()})
    first = json.loads(envelope(adjustment(7)))
    again = first | {"id": str(uuid4())}
    data = base64.b64decode(first["payload"])
    touched = data[:15] + bytes([data[15] ^ 1]) + data[16:]
    shifted = first | {"id": str(uuid4()), "payload": base64.b64encode(touched).decode()}
    receipts = [
        await unsigned.receive(json.dumps(message).encode(), {})
        for message in (first, again, shifted)
    ]
    assert [(one.status_code, one.state) for one in receipts] == [
        (200, DeliveryState.BOOKED),
        (200, DeliveryState.DUPLICATE),
        (200, DeliveryState.DUPLICATE),
    ]
    assert await available(program) == 7


@pytest.mark.parametrize(
    "tamper",
    ["wrong-signature", "no-signature", "old-timestamp", "future-timestamp", "changed-body"],
)
async def test_a_bad_signature_is_turned_away_and_leaves_no_trace(
    program: Program, engage: Sandbox, follower: Follower, tamper: str
) -> None:
    (delivery,) = await ask(engage, adjustment(40), tamper=tamper)
    attempts = delivery["attempts"]
    assert attempts[0]["status"] == 401
    assert await follower.deliveries() == []
    assert await available(program) == 0


@pytest.mark.parametrize("tamper", ["truncated-ciphertext", "wrong-key"])
async def test_signed_but_undecryptable_is_set_aside_and_answered_well(
    program: Program, engage: Sandbox, follower: Follower, tamper: str
) -> None:
    (delivery,) = await ask(engage, adjustment(40), tamper=tamper)
    assert delivery["state"] == "delivered"
    (kept,) = await follower.deliveries(state=DeliveryState.QUARANTINED)
    assert kept.reason == "undecryptable"
    assert await available(program) == 0


async def test_a_changed_key_is_mended_and_the_message_replayed(
    program: Program, engage: Sandbox, follower: Follower
) -> None:
    engage.set(webhook={"encryptionKey": OTHER_KEY})
    await ask(engage, adjustment(40))
    (kept,) = await follower.deliveries(state=DeliveryState.QUARANTINED)
    mended = await program.follower(
        secrets={"encryption_keys": (Secret(OTHER_KEY), Secret(ENCRYPTION_KEY))}
    )
    replayed = await mended.replay(kept.id)
    assert replayed is not None
    assert (replayed.state, replayed.reason) == (DeliveryState.BOOKED, None)
    assert await available(program) == 40
    with pytest.raises(NotReplayableError):
        await mended.replay(kept.id)
    assert await mended.replay(uuid4()) is None
    assert await available(program) == 40


async def test_replaying_what_is_not_mended_leaves_it_where_it_is(
    engage: Sandbox, follower: Follower
) -> None:
    await ask(engage, adjustment(40), tamper="wrong-key")
    (kept,) = await follower.deliveries()
    replayed = await follower.replay(kept.id)
    assert replayed is not None
    assert replayed.state is DeliveryState.QUARANTINED


async def test_a_quarantined_message_sent_again_after_mending_is_booked(
    program: Program, follower: Follower
) -> None:
    """As when its sender recovers what it believes failed."""
    body = envelope(adjustment(5, pointDefinitionId=77))
    headers = signed(body, "msg_77")
    assert (await follower.receive(body, headers)).state is DeliveryState.QUARANTINED
    async with program.pool.acquire() as connection:
        declared = TenantDeclaration(
            name=TENANT, definitions=(DefinitionDeclaration(engage_id=77, name="More"),)
        )
        program.books.catalogue = await declare(connection, [declared])
    program.catalogue = program.books.catalogue
    assert (await follower.receive(body, headers)).state is DeliveryState.BOOKED
    assert await available(program, definition=77) == 5
    (kept,) = await follower.deliveries()
    assert kept.repeats == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pointDefinitionId": 77}, "definition_unknown"),
        ({"amount": 0.5}, "amount_beyond_scale"),
        ({"amount": 10**16}, "amount_too_large"),
        ({"contactId": "1001"}, "contact_unreadable"),
        ({"amount": None}, "amount_unreadable"),
    ],
)
async def test_what_can_not_be_booked_is_set_aside_with_its_reason(
    program: Program, follower: Follower, change: dict[str, Any], reason: str
) -> None:
    receipt = await receive(follower, envelope(adjustment(1) | change))
    assert (receipt.status_code, receipt.state) == (200, DeliveryState.QUARANTINED)
    (kept,) = await follower.deliveries()
    assert kept.reason == reason
    assert kept.message
    assert await program.count("select count(*) from ledger.transaction") == 0


async def test_a_message_for_another_tenant_is_set_aside(follower: Follower) -> None:
    await receive(follower, envelope(adjustment(1), tenant="another"))
    (kept,) = await follower.deliveries()
    assert (kept.state, kept.reason) == (DeliveryState.QUARANTINED, "tenant_differs")


async def test_what_was_signed_but_is_no_text_is_set_aside_as_that(follower: Follower) -> None:
    body = b'{"eventType": "loyalty.addPoints", "payload": "\xff\xfe"}'
    assert (await receive(follower, body)).status_code == 200
    (kept,) = await follower.deliveries()
    assert (kept.state, kept.reason) == (DeliveryState.QUARANTINED, "envelope_unreadable")
    assert kept.message == "the message is no text in UTF-8"


async def test_zero_points_are_kept_and_change_nothing(follower: Follower) -> None:
    await receive(follower, envelope(adjustment(0)))
    (kept,) = await follower.deliveries()
    assert (kept.state, kept.reason) == (DeliveryState.IGNORED, "amount_zero")


async def test_other_events_are_kept_as_evidence_and_never_booked(
    program: Program, engage: Sandbox, follower: Follower
) -> None:
    payload = {"balance": 12.5, "contactId": str(member(1001)), "accountId": 7}
    for event in ("point.balance.updated", "contact.updated"):
        message = {"eventType": event, "payload": payload, "waitSeconds": 10}
        await asyncio.to_thread(engage.post, "/messages", message | {"encrypted": False})
    kept = await follower.deliveries()
    assert [one.state for one in kept] == [DeliveryState.IGNORED] * 2
    assert {one.event_type for one in kept} == {"point.balance.updated", "contact.updated"}
    assert {one.contact_id for one in kept} == {member(1001)}
    assert await program.count("select count(*) from ledger.transaction") == 0


async def test_plain_adjustments_only_where_they_are_allowed(
    program: Program, follower: Follower
) -> None:
    plain = json.dumps(
        {"eventType": "loyalty.addPoints", "id": str(uuid4()), "isEncrypted": False,
         "payload": adjustment(9, pointDefinitionId=1), "tenant": TENANT}
    ).encode()  # fmt: skip
    headers = signed(plain, "msg_plain")
    assert (await follower.receive(plain, headers)).state is DeliveryState.QUARANTINED
    lenient = await program.follower(webhook=WebhookOptions(allow_plain=True))
    assert (await lenient.receive(plain, headers)).state is DeliveryState.BOOKED
    assert await available(program) == 9


@pytest.mark.usefixtures("follower")
async def test_without_a_signing_secret_whatever_does_not_decrypt_is_refused_alike(
    program: Program,
) -> None:
    unsigned = await program.follower(secrets={"signing_secrets": ()})
    good = envelope(adjustment(9))
    plain = b'{"eventType":"loyalty.addPoints","id":"1","payload":{"ContactId":"x"}}'
    evidence = b'{"eventType":"contact.created","id":"1","payload":{}}'
    refused = [b"", b"{}", good[:-20] + b'"}', plain, evidence, b"\xff", b'{"eventType":"x"}']
    receipts = [await unsigned.receive(body, {}) for body in refused]
    assert {(one.status_code, one.state, one.delivery) for one in receipts} == {(400, None, None)}
    assert await unsigned.deliveries() == []
    assert (await unsigned.receive(good, {})).state is DeliveryState.BOOKED


async def test_signed_nonsense_is_set_aside(follower: Follower) -> None:
    receipt = await receive(follower, b'{"no":"envelope"}')
    assert (receipt.status_code, receipt.state) == (200, DeliveryState.QUARANTINED)


async def test_a_message_beyond_all_size_is_refused(follower: Follower) -> None:
    assert (await receive(follower, b" " * 300_000)).status_code == 413


async def test_the_body_is_kept_as_it_came(program: Program, follower: Follower) -> None:
    body = envelope(adjustment(40, userName="Back office"))
    await receive(follower, body)
    stored = await program.pool.fetchval("select body from engage.delivery")
    assert stored == body
    assert b"Back office" not in stored
    (kept,) = await follower.deliveries()
    assert json.loads(kept.payload or "")["UserName"] == "Back office", "and what it says, beside"


@pytest.mark.usefixtures("follower")
async def test_engage_reads_the_points_log(program: Program, engage: Sandbox) -> None:
    await program.earn(member(1001), 100)
    await ask(engage, adjustment(-30, description="Corrected"))
    log = await asyncio.to_thread(engage.post, "/points-log", {"contactId": str(member(1001))})
    assert log["status"] == 200
    assert log["problems"] == []
    rows = json.loads(log["body"])
    assert [row["amount"] for row in rows] == [-30, 100]
    assert rows[0]["description"] == "Corrected"
    nobody = await asyncio.to_thread(engage.post, "/points-log", {"contactId": str(member(1002))})
    assert (nobody["status"], nobody["body"]) == (200, "[]")


async def test_ids_of_deliveries_page_backwards(follower: Follower) -> None:
    for amount in (1, 2, 3):
        await receive(follower, envelope(adjustment(amount)))
    newest = await follower.deliveries(limit=2)
    oldest = await follower.deliveries(limit=2, before=newest[-1].id)
    assert len({one.id for one in [*newest, *oldest]}) == 3
    assert (await follower.status()).deliveries == {"booked": 3}


def envelope(fields: dict[str, Any], *, tenant: str = TENANT, key: str = ENCRYPTION_KEY) -> bytes:
    """An encrypted adjustment as Engage sends it."""
    payload = {
        "ContactId": fields["contactId"],
        "Amount": fields["amount"],
        "Description": "Points adjusted",
        "Source": "Manual",
        "PointDefinitionId": fields.get("pointDefinitionId", 1),
        "UserName": fields.get("userName", "A user"),
    }
    ciphertext = encrypt_payload(json.dumps(payload).encode(), key)
    return json.dumps(
        {
            "eventType": "loyalty.addPoints",
            "id": str(uuid4()),
            "payload": base64.b64encode(ciphertext).decode(),
            "tenant": tenant,
        }
    ).encode()


def signed(body: bytes, message_id: str) -> dict[str, str]:
    """Headers as the sender makes them now."""
    stamp = str(int(time.time()))
    key = base64.b64decode(SIGNING_SECRET.removeprefix("whsec_"))
    content = f"{message_id}.{stamp}.".encode() + body
    signature = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
    return {
        "Svix-Id": message_id,
        "Svix-Timestamp": stamp,
        "Svix-Signature": f"v1,{signature}",
    }


async def receive(follower: Follower, body: bytes) -> Any:
    """Have a follower receive a body, signed, as a message of its own."""
    message_id = f"msg_{hashlib.sha256(body).hexdigest()[:20]}"
    return await follower.receive(body, signed(body, message_id))

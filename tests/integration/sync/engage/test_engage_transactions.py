"""All-transaction mode: every movement reaches Engage once, whatever happens on the way."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from sync.engage import Follower, SyncReport
from sync.engage.progress import State
from sync.engage.transactions.options import EngageSource, TransactionOptions
from tests.following.door import door
from tests.following.histories import at_one_time
from tests.following.program import (
    ENCRYPTION_KEY,
    SIGNING_SECRET,
    Program,
    Sandbox,
    member,
)

PATH = "/api/v2/point-accounts/transactions"
POST = {"method": "POST", "path": "*/transactions"}


@pytest.fixture
async def follower(rows_program: Program, engage: Sandbox) -> Follower:
    at_one_time(rows_program, engage)
    return await rows_program.follower()


def passes(program: Program, engage: Sandbox, **duration: float) -> None:
    """Time passes for the books and for Engage."""
    assert program.now is not None
    program.now.passes(**duration)
    at_one_time(program, engage)


def rows_told(engage: Sandbox) -> list[dict[str, Any]]:
    """The rows of all requests, as they came."""
    return [
        row
        for request in engage.requests(PATH)
        for row in msgspec.json.decode(request["requestBody"])
    ]


def transactions_of(engage: Sandbox, contact: UUID) -> list[dict[str, Any]]:
    """What Engage has of a contact, account by account."""
    accounts = engage.get(f"/accounts/{contact}")["accounts"]
    return [one for account in accounts for one in account["transactions"]]


async def complete(follower: Follower) -> SyncReport:
    report = await follower.sync(at_once=True)
    assert report.is_complete, report
    return report


async def parked(follower: Follower) -> list[tuple[UUID | None, int, str]]:
    return [(one.contact, one.amount, one.reason) for one in await follower.parked()]


async def test_a_purchase_is_told_as_it_happened(
    rows_program: Program, engage: Sandbox, follower: Follower
) -> None:
    engage.know(member(1001))
    await rows_program.earn(member(1001), 1250, definition=2)
    report = await follower.push()
    assert (report.derived, report.sent, report.rows, report.accepted) == (1, 1, 1, 1)
    (row,) = rows_told(engage)
    assert rows_program.now is not None
    now = f"{rows_program.now.instant:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
    assert row == {
        "contactId": str(member(1001)),
        "amount": 12.5,
        "definitionId": 2,
        "timeStamp": now,
        "source": "Purchase",
        "description": "Points earned",
        "validFrom": now,
    }
    (request,) = engage.requests(PATH)
    stored = await rows_program.pool.fetchrow("select body, idempotency_key, id from engage.batch")
    assert stored is not None
    assert request["requestBody"].encode() == stored["body"]
    assert stored["idempotency_key"] == str(stored["id"])
    assert engage.findings()["counts"] == {}
    assert (await complete(follower)).push.sent == 0, "nothing is told twice"


async def test_rows_of_one_transaction_and_of_one_instant_are_told_apart(
    rows_program: Program, engage: Sandbox, follower: Follower
) -> None:
    engage.know(member(1001))
    await rows_program.adjust(member(1001), -30)
    for _ in range(3):
        await rows_program.earn(member(1001), 100)
    await complete(follower)
    told = [(row["amount"], row["source"]) for row in rows_told(engage)]
    assert told == [
        (100, "Purchase"),
        (-30, "Adjustment"),
        (100, "Purchase"),
        (100, "Purchase"),
    ], "what is owed is no row, what repays it is"
    assert len({row["timeStamp"] for row in rows_told(engage)}) == 4
    assert engage.balances() == {member(1001): Decimal(270)}


async def test_sources_and_descriptions_are_a_matter_of_settings(
    rows_program: Program, engage: Sandbox
) -> None:
    at_one_time(rows_program, engage)
    engage.know(member(1001))
    options = TransactionOptions(
        origins={"pos": EngageSource.BONUS_PROMOTION},
        descriptions={"earn": "Tack!"},  # type: ignore[dict-item] # as a file states it
    )
    follower = await rows_program.follower(transactions=options)
    await rows_program.earn(member(1001), 10)
    await complete(follower)
    assert [(row["source"], row["description"]) for row in rows_told(engage)] == [
        ("BonusPromotion", "Tack!")
    ]


async def test_a_thousand_rows_a_request_and_an_account_in_one_of_them(
    rows_program: Program, engage: Sandbox, follower: Follower
) -> None:
    contacts = [member(number) for number in range(1100)]
    engage.know(*contacts)
    await rows_program.earn_all([(contact, 5) for contact in contacts])
    await rows_program.earn_all([(contacts[0], 1) for _ in range(1500)])
    await complete(follower)
    sizes = [len(msgspec.json.decode(one["requestBody"])) for one in engage.requests(PATH)]
    assert max(sizes) == 1000
    assert sum(sizes) == 2600
    balances = engage.balances()
    assert balances.pop(contacts[0]) == 1505
    assert set(balances.values()) == {Decimal(5)}


async def test_a_row_that_is_not_accepted_is_parked_and_its_neighbours_are_told(
    rows_program: Program, engage: Sandbox, follower: Follower
) -> None:
    engage.know(member(1001))
    for contact in (member(1001), member(1002)):
        await rows_program.earn(contact, 10)
    await rows_program.earn(member(1002), 7)
    await complete(follower)
    assert engage.balances() == {member(1001): Decimal(10)}
    reason = f"Row 1: contact {member(1002)} was not found"
    assert await parked(follower) == [
        (member(1002), 10, reason),
        (member(1002), 7, reason.replace("1", "2", 1)),
    ]
    engage.know(member(1002))
    assert await follower.retry_parked() == 2
    await complete(follower)
    assert engage.balances() == {member(1001): Decimal(10), member(1002): Decimal(17)}
    assert await parked(follower) == []


async def test_what_is_parked_is_tried_again_after_a_day(
    rows_program: Program, engage: Sandbox, follower: Follower
) -> None:
    await rows_program.earn(member(1001), 10)
    await complete(follower)
    engage.know(member(1001))
    passes(rows_program, engage, hours=23)
    assert (await complete(follower)).push.sent == 0
    passes(rows_program, engage, hours=2)
    await complete(follower)
    assert engage.balances() == {member(1001): Decimal(10)}


async def test_single_rows_can_be_retried(
    rows_program: Program, engage: Sandbox, follower: Follower
) -> None:
    await rows_program.earn(member(1001), 10)
    await rows_program.earn(member(1001), 7)
    await complete(follower)
    engage.know(member(1001))
    first, _ = await follower.parked()
    assert first.id is not None
    assert await follower.retry_parked(rows=[first.id]) == 1
    await complete(follower)
    assert engage.balances() == {member(1001): Decimal(10)}


@pytest.mark.parametrize("kind", ["drop-after", "error-after", "drop-before", "error-before"])
async def test_a_lost_answer_is_asked_for_again_with_the_same_bytes_and_key(
    rows_program: Program, engage: Sandbox, follower: Follower, kind: str
) -> None:
    engage.know(member(1001))
    await rows_program.earn(member(1001), 10)
    engage.fault({"kind": kind, "times": 1, **POST})
    report = await follower.push()
    assert (report.unclear, report.sent) == (1, 1)
    assert report.trouble
    await rows_program.earn(member(1001), 5)
    assert (await follower.push()).sent == 0, "the account is in flight, and it is too early"
    passes(rows_program, engage, seconds=11)
    await complete(follower)
    first, again, *later = engage.requests(PATH)
    assert first["requestBody"] == again["requestBody"]
    assert len(later) == 1, "what came meanwhile"
    assert engage.balances() == {member(1001): Decimal(15)}
    assert engage.findings()["counts"] == {}


async def test_a_sender_that_died_on_the_way_is_followed_by_another(
    rows_program: Program,
    engage: Sandbox,
    follower: Follower,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engage.know(member(1001))
    await rows_program.earn(member(1001), 10)
    post = follower.context.client.post

    async def post_and_die(path: str, body: bytes, **given: Any) -> None:
        await post(path, body, **given)
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(follower.context.client, "post", post_and_die)
        await follower.push()
    assert engage.balances() == {member(1001): Decimal(10)}
    assert (await follower.settle()).abandoned == 0, "it may still be alive"
    passes(rows_program, engage, seconds=36)
    assert (await follower.settle()).abandoned == 1
    await complete(follower)
    assert engage.balances() == {member(1001): Decimal(10)}
    assert len(engage.requests(PATH)) == 2


@pytest.mark.parametrize("kind", ["drop-after", "drop-before"])
async def test_once_the_key_is_forgotten_only_reading_settles(
    rows_program: Program, engage: Sandbox, follower: Follower, kind: str
) -> None:
    engage.know(member(1001), member(1002))
    await rows_program.earn(member(1001), 10)
    await rows_program.earn(member(1001), 10)
    await rows_program.earn(member(1002), 7)
    engage.fault({"kind": kind, "times": 1, **POST}, {"kind": "error-before", "skip": 1, **POST})
    await follower.push()
    passes(rows_program, engage, hours=25)
    assert (await follower.push()).sent == 0, "nothing is sent again with a dead key"
    settled = await follower.settle()
    assert settled.read == 2
    assert (settled.agreed, settled.again) == ((3, 0) if kind == "drop-after" else (0, 3))
    engage.behave()
    await complete(follower)
    assert engage.balances() == {member(1001): Decimal(20), member(1002): Decimal(7)}
    assert engage.findings()["counts"] == {}


async def test_a_key_that_engage_does_not_keep_is_never_relied_on(
    rows_program: Program, engage: Sandbox
) -> None:
    at_one_time(rows_program, engage)
    engage.know(member(1001))
    options = TransactionOptions(idempotency_hours=0)
    follower = await rows_program.follower(transactions=options)
    await rows_program.earn(member(1001), 10)
    engage.fault({"kind": "drop-after", "times": 1, **POST})
    await follower.push()
    passes(rows_program, engage, seconds=30)
    await follower.push()
    assert (await follower.settle()).read == 0, "it may still be worked on"
    passes(rows_program, engage, seconds=40)
    assert (await follower.settle()).agreed == 1
    await complete(follower)
    assert engage.balances() == {member(1001): Decimal(10)}
    assert len(engage.requests(PATH)) == 1


async def test_a_conflict_about_the_key_is_settled_by_reading(
    rows_program: Program, engage: Sandbox, follower: Follower
) -> None:
    engage.know(member(1001))
    await rows_program.earn(member(1001), 10)
    engage.fault({"kind": "error-after", "status": 409, "times": 1, **POST})
    await follower.push()
    passes(rows_program, engage, seconds=61)
    assert (await follower.settle()).agreed == 1
    assert engage.balances() == {member(1001): Decimal(10)}
    assert len(engage.requests(PATH)) == 1


async def test_more_than_is_read_is_left_to_a_person(
    rows_program: Program, engage: Sandbox
) -> None:
    at_one_time(rows_program, engage)
    engage.know(member(1001))
    follower = await rows_program.follower(
        transactions=TransactionOptions(idempotency_hours=0, read_rows_max=100)
    )
    await rows_program.earn_all([(member(1001), 1) for _ in range(150)])
    await complete(follower)
    await rows_program.earn(member(1001), 10)
    engage.fault({"kind": "drop-before", "times": 1, **POST})
    await follower.push()
    passes(rows_program, engage, seconds=61)
    assert (await follower.settle()).parked == 1
    ((_, amount, reason),) = await parked(follower)
    assert amount == 10
    assert "compare by hand" in reason


async def test_a_refused_request_is_divided_until_it_fits(
    rows_program: Program, engage: Sandbox, follower: Follower
) -> None:
    contacts = [member(number) for number in range(30)]
    engage.know(*contacts)
    await rows_program.earn_all([(contact, 5) for contact in contacts])
    engage.set(rowsMax=3)
    for _ in range(4):
        await follower.push(at_once=True)
        passes(rows_program, engage, seconds=301)
    await complete(follower)
    assert engage.balances() == dict.fromkeys(contacts, Decimal(5))


async def test_a_tenant_without_the_point_system_waits(
    rows_program: Program, engage: Sandbox, follower: Follower
) -> None:
    engage.know(member(1001))
    await rows_program.earn(member(1001), 5)
    engage.set(newPointSystemActive=False)
    assert (await follower.push()).put_off == 1
    engage.set(newPointSystemActive=True)
    await complete(follower)
    assert engage.balances() == {member(1001): Decimal(5)}
    (batch,) = await follower.batches()
    assert (batch.kind, batch.state, batch.attempts) == ("transactions", State.DONE, 2)


async def test_adjustments_made_in_engage_go_back_once(
    rows_program: Program, engage: Sandbox, follower: Follower
) -> None:
    engage.know(member(1001))
    await rows_program.earn(member(1001), 100)
    engage.post("/clock", {"real": True})
    assert rows_program.now is not None
    async with door(follower) as address:
        engage.set(
            webhook={
                "url": f"{address}/webhooks",
                "encryptionKey": ENCRYPTION_KEY,
                "signingSecrets": [SIGNING_SECRET],
            }
        )
        adjustment = {"contactId": str(member(1001)), "amount": -40, "kind": "manual"}
        await asyncio.to_thread(
            engage.post,
            "/adjustments",
            {"adjustments": [adjustment], "tamper": "duplicate-delivery", "waitSeconds": 5},
        )
        await asyncio.sleep(0.3)
    await complete(follower)
    assert [(row["amount"], row["source"]) for row in rows_told(engage)] == [
        (100, "Purchase"),
        (-40, "Manual"),
    ]


async def test_two_senders_at_once_tell_each_row_once(
    rows_program: Program, engage: Sandbox
) -> None:
    at_one_time(rows_program, engage)
    contacts = [member(number) for number in range(300)]
    engage.know(*contacts)
    for amount in (1, 2, 3):
        await rows_program.earn_all([(contact, amount) for contact in contacts])
    followers = [await rows_program.follower(batch_rows_max=50) for _ in range(3)]
    while not all(
        one.is_complete
        for one in await asyncio.gather(*(follower.sync() for follower in followers))
    ):
        pass
    assert len(rows_told(engage)) == 900
    assert engage.balances() == dict.fromkeys(contacts, Decimal(6))

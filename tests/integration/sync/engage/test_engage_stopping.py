"""People stop, look and ask: pauses, dry runs, and who told whom what about a contact."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ledger.identity import ContactId
from sync.engage import Follower
from sync.engage.deliveries import DeliveryState
from sync.engage.pauses import Direction
from sync.engage.record import Teller, What
from sync.engage.settings import BelowZero, WebhookOptions
from tests.following.door import door
from tests.following.histories import at_one_time
from tests.following.program import (
    ENCRYPTION_KEY,
    SIGNING_SECRET,
    Program,
    Sandbox,
    member,
)


async def adjust(
    engage: Sandbox, follower: Follower, contact: ContactId, *amounts: float
) -> list[DeliveryState]:
    """Have Engage send adjustments; answers what became of each, in order."""
    async with door(follower) as address:
        engage.set(
            webhook={
                "url": f"{address}/webhooks",
                "encryptionKey": ENCRYPTION_KEY,
                "signingSecrets": [SIGNING_SECRET],
            }
        )
        for amount in amounts:
            one = {"contactId": str(contact), "amount": amount, "kind": "manual"}
            asked = {"adjustments": [one], "waitSeconds": 5}
            await asyncio.to_thread(engage.post, "/adjustments", asked)
    return [one.state for one in reversed(await follower.deliveries())]


async def test_a_pause_holds_on_every_replica_and_over_restarts(
    program: Program, engage: Sandbox
) -> None:
    engage.know(member(1001))
    await program.earn(member(1001), 10)
    one, other = await program.follower(), await program.follower()
    assert await one.pause(Direction.PUSH, "support", "wrong totals")
    assert not await other.pause(Direction.PUSH, "somebody else")
    report = await other.push(at_once=True)
    assert (report.stored, report.sent) == (0, 0)
    assert (report.trouble or "").endswith(": wrong totals")
    (found,) = (await other.status()).paused
    assert (found.direction, found.paused_by) == (Direction.PUSH, "support")
    assert await other.resume(Direction.PUSH)
    assert not await one.resume(Direction.PUSH)
    assert (await one.push()).sent == 1


async def test_a_pause_stops_a_run_that_is_under_way(program: Program, engage: Sandbox) -> None:
    contacts = [member(number) for number in range(40)]
    engage.know(*contacts)
    await program.earn_all([(contact, 5) for contact in contacts])
    follower = await program.follower(batch_rows_max=1, requests_at_once=1, rate_per_second=20)
    running = asyncio.create_task(follower.push())
    await asyncio.sleep(0.3)
    await follower.pause(Direction.PUSH, "support")
    report = await running
    assert 0 < report.sent < 40
    assert report.trouble


async def test_adjustments_that_come_meanwhile_are_kept_and_booked_afterwards_in_their_order(
    program: Program, engage: Sandbox
) -> None:
    follower = await program.follower()
    await follower.pause(Direction.ADJUSTMENTS, "support")
    states = await adjust(engage, follower, member(1001), 10, -3)
    assert states == [DeliveryState.QUARANTINED] * 2
    assert await follower.catch_up() == 0, "still stopped"
    await follower.resume(Direction.ADJUSTMENTS)
    assert await follower.catch_up() == 2
    amounts = await program.pool.fetch("select amount from ledger.transaction order by number")
    assert [row["amount"] for row in amounts] == [10, -3]
    assert await follower.catch_up() == 0


@pytest.mark.parametrize(
    ("policy", "states", "left"),
    [
        (BelowZero.DEBT, ["booked", "booked"], -20),
        (BelowZero.FLOOR, ["booked", "ignored"], 0),
        (BelowZero.QUARANTINE, ["quarantined", "booked"], 20),
    ],
)
async def test_an_adjustment_below_zero_is_a_matter_of_policy(
    program: Program, engage: Sandbox, policy: BelowZero, states: list[str], left: int
) -> None:
    follower = await program.follower(webhook=WebhookOptions(below_zero=policy))
    await program.earn(member(1001), 30)
    assert await adjust(engage, follower, member(1001), -40, -10) == states
    row = await program.pool.fetchrow("select available - debt as net from ledger.account")
    assert row is not None
    assert row["net"] == left


async def test_of_an_adjustment_that_took_less_it_is_said_how_much(
    program: Program, engage: Sandbox
) -> None:
    follower = await program.follower(webhook=WebhookOptions(below_zero=BelowZero.FLOOR))
    await program.earn(member(1001), 1250, definition=2)
    async with door(follower) as address:
        engage.set(webhook={"url": f"{address}/webhooks", "signingSecrets": [SIGNING_SECRET],
                            "encryptionKey": ENCRYPTION_KEY})  # fmt: skip
        one = {"contactId": str(member(1001)), "amount": -20, "kind": "automation",
               "pointDefinitionId": 2}  # fmt: skip
        await asyncio.to_thread(
            engage.post, "/adjustments", {"adjustments": [one], "waitSeconds": 5}
        )
    (delivery,) = await follower.deliveries()
    assert delivery.message == "12.5 of 20 points were there, and were taken"


async def test_a_dry_run_shows_the_very_bytes_and_changes_nothing(
    program: Program, engage: Sandbox
) -> None:
    engage.know(member(1001), member(1002))
    await program.earn(member(1001), 10)
    await program.earn(member(1002), 20)
    follower = await program.follower()
    shown = await follower.rehearse()
    assert (len(shown.requests), shown.paused) == (1, None)
    (request,) = shown.requests
    assert (request.kind, request.row_count, request.was_stored) == ("balances", 2, False)
    told = {row["contactId"]: row["amount"] for row in msgspec.json.decode(request.body)}
    assert told == {str(member(1001)): 10, str(member(1002)): 20}
    assert engage.requests("/point-accounts/balances") == []
    assert await program.marks() == 2
    assert await program.count("select count(*) from engage.batch") == 0
    assert await program.count("select count(*) from engage.account") == 0
    assert (await follower.push()).rows == 2


async def test_a_dry_run_of_movements(rows_program: Program, engage: Sandbox) -> None:
    at_one_time(rows_program, engage)
    engage.know(member(1001))
    await rows_program.earn(member(1001), 10)
    await rows_program.adjust(member(1001), -4)
    follower = await rows_program.follower()
    (request,) = (await follower.rehearse()).requests
    assert [row["amount"] for row in msgspec.json.decode(request.body)] == [10, -4]
    assert await rows_program.count("select count(*) from engage.row") == 0
    await follower.push()
    (sent,) = engage.requests("/point-accounts/transactions")
    assert sent["requestBody"].encode() == request.body


async def test_a_dry_run_shows_what_waits_and_why_nothing_goes(
    program: Program, engage: Sandbox
) -> None:
    engage.know(member(1001))
    await program.earn(member(1001), 10)
    follower = await program.follower()
    engage.fault({"kind": "throttle"})
    await follower.push()
    await follower.pause(Direction.PUSH, "support", "why not")
    shown = await follower.rehearse()
    assert [one.was_stored for one in shown.requests] == [True]
    assert (shown.paused or "").endswith("why not")


async def test_who_told_whom_what_about_a_contact(program: Program, engage: Sandbox) -> None:
    engage.know(member(1001), member(1002))
    await program.earn(member(1001), 100)
    await program.earn(member(1002), 7)
    follower = await program.follower()
    await tell(follower, engage)
    await adjust(engage, follower, member(1001), -40)
    await tell(follower, engage)
    balance = {"contactId": str(member(1001)), "definitionId": 1, "amount": 61}
    engage.post("/balances", {"balances": [balance]})
    await follower.compare()
    story = await follower.record_of(member(1001))
    assert [(one.teller, one.what, one.amount, one.state) for one in story] == [
        (Teller.ENGAGE, What.DIFFERENCE, 60, "open"),
        (Teller.BOOKS, What.TOTAL, 60, "done"),
        (Teller.ENGAGE, What.MESSAGE, -40, "booked"),
        (Teller.BOOKS, What.TOTAL, 100, "done"),
    ]
    assert story[0].message == "Engage had 61; repaired by push"
    assert story[2].transaction is not None
    assert await follower.record_of(member(1001), before=story[2].at) == story[3:]
    assert await follower.record_of(member(1003)) == []


async def test_the_story_of_movements_tells_what_became_of_each(
    rows_program: Program, engage: Sandbox
) -> None:
    at_one_time(rows_program, engage)
    follower = await rows_program.follower()
    await rows_program.earn(member(1001), 10)
    await follower.sync()
    engage.know(member(1001))
    assert rows_program.now is not None
    rows_program.now.passes(minutes=1)
    at_one_time(rows_program, engage)
    await follower.retry_parked()
    await follower.sync()
    story = await follower.record_of(member(1001))
    assert [(one.amount, one.state) for one in story] == [(10, "told"), (10, "told")]
    assert "was not found" in (story[1].message or "")
    assert engage.balances() == {member(1001): Decimal(10)}


async def tell(follower: Follower, engage: Sandbox) -> None:
    await follower.push()
    engage.run_job()
    report: Any = await follower.sync(wait_seconds=5)
    assert report.is_complete

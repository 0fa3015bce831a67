"""What is over and old goes; what waits, and what keeps points from being told twice, stays."""

import random
from decimal import Decimal
from typing import Any

from sync.engage import DeliveryState, Follower
from sync.engage.retention_options import RetentionOptions
from sync.engage.settings import BelowZero, WebhookOptions
from tests.following.histories import at_one_time
from tests.following.mutations import Sender
from tests.following.program import (
    ENCRYPTION_KEY,
    SIGNING_SECRET,
    TENANT,
    Now,
    Program,
    Sandbox,
    member,
)

KEPT = RetentionOptions(bodies_days=10, ignored_days=20, record_days=40, runs_days=30)


def sender(now: Now) -> Sender:
    """Always the same: its first message is the same event whenever it is sent."""
    return Sender(TENANT, ENCRYPTION_KEY, SIGNING_SECRET, now.instant, random.Random(7))


async def tell(program: Program, engage: Sandbox, follower: Follower) -> None:
    at_one_time(program, engage)
    await follower.push()
    engage.run_job()
    assert program.now is not None
    program.now.passes(seconds=1)
    assert (await follower.sync(at_once=True, wait_seconds=5)).is_complete


async def counts(program: Program) -> dict[str, int]:
    row = await program.pool.fetchrow(
        """
        select (select count(*) from engage.batch) as batches,
            (select count(*) from engage.batch_row) as rows,
            (select count(body) from engage.batch) as bodies,
            (select count(*) from engage.delivery) as messages,
            (select count(body) from engage.delivery) as message_bodies,
            (select count(payload) from engage.delivery) as payloads,
            (select count(*) from engage.row) as movements
        """
    )
    assert row is not None
    return dict(row)


async def test_what_is_over_is_cleared_away_step_by_step(
    timed_program: Program, engage: Sandbox
) -> None:
    program, now = timed_program, timed_program.now
    assert now is not None
    at_one_time(program, engage)
    engage.know(member(1001), member(1002))
    follower = await program.follower(retention=KEPT, poll_seconds=(0.01,))
    await program.earn(member(1001), 100)
    await tell(program, engage, follower)
    engages = sender(now)
    booked = engages.message(member(1001), 5)
    nothing, unknown = (
        engages.message(member(1001), 0),
        engages.message(member(1001), 5, PointDefinitionId=77),
    )
    for message in (booked, nothing, unknown):
        await follower.receive(message.body, message.headers)
    # Nobody knows what came of this one, so it is never old enough.
    await program.earn(member(1002), 1)
    engage.fault({"kind": "error-before", "path": "*/balances"})
    at_one_time(program, engage)
    await follower.push()
    engage.behave()
    before = await counts(program)
    assert (before["batches"], before["bodies"], before["message_bodies"]) == (2, 2, 3)

    assert (await follower.clear_up()).bodies == 0, "nothing is old yet"
    now.passes(days=11)
    assert (await follower.clear_up()).bodies == 3, "of one request and two messages"
    assert (await counts(program))["payloads"] == 3
    now.passes(days=10)
    assert (await follower.clear_up()).messages == 1, "what was ignored"
    now.passes(days=20)
    cleared = await follower.clear_up()
    assert (cleared.batches, cleared.messages) == (1, 1)
    after = await counts(program)
    assert (after["batches"], after["rows"], after["messages"]) == (1, 2, 1)
    (waits,) = await follower.deliveries()
    assert (waits.state, waits.reason) == (DeliveryState.QUARANTINED, "definition_unknown")

    # The adjustment comes again, long after its message was forgotten.
    again = sender(now).message(member(1001), 5)
    assert again.headers["svix-id"] == booked.headers["svix-id"]
    receipt = await follower.receive(again.body, again.headers)
    assert receipt.state is DeliveryState.DUPLICATE
    assert await program.count("select count(*) from ledger.transaction") == 3


async def test_what_was_decided_not_to_be_booked_is_not_booked_years_later(
    timed_program: Program,
) -> None:
    program, now = timed_program, timed_program.now
    assert now is not None
    follower = await program.follower(
        retention=KEPT, webhook=WebhookOptions(below_zero=BelowZero.FLOOR)
    )
    engages = sender(now)
    slip = engages.message(member(1001), 2.5)
    too_much = engages.message(member(1001), -40)
    for message, state in (
        (slip, DeliveryState.QUARANTINED),
        (too_much, DeliveryState.IGNORED),
    ):
        assert (await follower.receive(message.body, message.headers)).state is state
    (held,) = await follower.deliveries(state=DeliveryState.QUARANTINED)
    await follower.dismiss(held.id, "somebody", "adjusted anew")
    await program.earn(member(1001), 100)
    now.passes(days=1000)
    await follower.clear_up()
    kept = await counts(program)
    assert (kept["messages"], kept["message_bodies"]) == (2, 0), "without their bytes"
    later = sender(now)
    for message in (later.again(slip), later.again(too_much)):
        receipt = await follower.receive(message.body, message.headers)
        assert receipt.state is DeliveryState.DUPLICATE
    assert await program.count("select count(*) from ledger.transaction") == 1


async def test_movements_are_never_told_twice_because_their_batches_are_gone(
    rows_program: Program, engage: Sandbox
) -> None:
    program, now = rows_program, rows_program.now
    assert now is not None
    at_one_time(program, engage)
    engage.know(member(1001))
    follower = await program.follower(retention=KEPT)
    await program.earn(member(1001), 100)
    await tell(program, engage, follower)
    now.passes(days=50)
    assert (await follower.clear_up()).batches == 1
    assert (await counts(program))["movements"] == 1
    await program.adjust(member(1001), -30)
    await tell(program, engage, follower)
    report: Any = await follower.compare()
    assert report.differing == 0
    assert engage.balances() == {member(1001): Decimal(70)}

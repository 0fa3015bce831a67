"""Requests of which nobody knows what came, and rows that Engage does not take."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from sync.engage import Follower, State
from sync.engage.answers import Message, Status
from sync.engage.settings import Meaning
from tests.following.program import Program, Sandbox, member

BALANCES = "*/point-accounts/balances"
STATUS = "*/status/*"
ACCOUNTS = "*/point-accounts"


async def test_a_connection_dropped_before_the_work_is_settled_by_reading(
    timed_program: Program, engage: Sandbox
) -> None:
    program, follower = timed_program, await timed_program.follower()
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    engage.fault({"kind": "drop-before", "path": BALANCES, "times": 1})
    pushed = await follower.push()
    assert (pushed.sent, pushed.unclear) == (1, 1)
    assert pushed.trouble is not None
    assert await program.states() == ["unclear"]
    assert (await follower.settle()).settled == 0, "it may still be applied"
    assert (await follower.push()).sent == 0, "the account is in flight"
    _passes(program, seconds=60)
    settled = await follower.settle()
    assert (settled.read, settled.again) == (1, 1)
    (batch,) = await follower.batches()
    assert batch.state is State.SETTLED
    assert batch.error == pushed.trouble, "why it had to be settled can still be seen"
    await _to_the_end(program, follower, engage)
    assert engage.balances() == {member(1001): Decimal(100)}
    assert len(engage.requests("/balances")) == 2


@pytest.mark.parametrize("kind", ["drop-after", "error-after"])
async def test_work_done_without_an_answer_is_found_out_and_not_repeated(
    timed_program: Program, engage: Sandbox, kind: str
) -> None:
    program, follower = timed_program, await timed_program.follower()
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    engage.fault({"kind": kind, "path": BALANCES, "times": 1})
    assert (await follower.push()).unclear == 1
    engage.run_job()
    _passes(program, seconds=60)
    settled = await follower.settle()
    assert (settled.read, settled.agreed, settled.again) == (1, 1, 0)
    assert (await follower.sync()).is_complete
    assert len(engage.requests("/balances")) == 1


async def test_an_answer_that_comes_too_late_is_no_answer(
    timed_program: Program, engage: Sandbox
) -> None:
    program, follower = timed_program, await timed_program.follower(answer_seconds=0.3)
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    engage.fault({"kind": "slow-after", "path": BALANCES, "milliseconds": 2000, "times": 1})
    assert (await follower.push()).unclear == 1
    (batch,) = await follower.batches()
    assert batch.error == "no answer within 0.3 seconds"


async def test_no_connection_sends_nothing_and_is_tried_again(
    timed_program: Program, engage: Sandbox
) -> None:
    program = timed_program
    follower = await program.follower(base_url="http://127.0.0.1:9")
    await program.earn(member(1001), 100)
    pushed = await follower.push()
    assert (pushed.put_off, pushed.unclear) == (1, 0)
    assert await program.states() == ["stored"]
    status = await follower.status()
    assert status.trouble is not None
    assert status.put_off_until is not None
    assert (await follower.push()).sent == 0, "not before its time"
    working = await program.follower()
    engage.know(member(1001))
    assert (await working.push(at_once=True)).accepted == 1, "unless a person asks"


@pytest.mark.parametrize(("retry_after", "pause"), [(None, 10), (40, 40)])
async def test_too_many_requests_are_put_off(
    timed_program: Program, engage: Sandbox, retry_after: int | None, pause: int
) -> None:
    program, follower = timed_program, await timed_program.follower()
    assert program.now is not None
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    fault: dict[str, Any] = {"kind": "throttle", "path": BALANCES, "times": 1}
    engage.fault(fault | ({} if retry_after is None else {"retryAfterSeconds": retry_after}))
    pushed = await follower.push()
    assert (pushed.put_off, pushed.trouble) == (1, "429: too many requests")
    (batch,) = await follower.batches()
    assert batch.next_action_at is not None
    assert (batch.next_action_at - program.now()).total_seconds() == pause
    waited = await program.pool.fetchval(
        "select extract(epoch from free_at - clock_timestamp()) from engage.rate"
    )
    assert pause - 5 < waited <= pause, "no replica calls before that"


async def test_a_wrong_key_is_the_tenants_trouble_and_costs_no_row(
    timed_program: Program, engage: Sandbox
) -> None:
    program, follower = timed_program, await timed_program.follower()
    engage.know(member(1001), member(1002))
    engage.set(apiKeys=["another-key"])
    await program.earn(member(1001), 100)
    pushed = await follower.push()
    assert pushed.trouble is not None
    assert pushed.trouble.startswith("401")
    await program.earn(member(1002), 100)
    again = await follower.push()
    assert (again.stored, again.sent) == (0, 0), "nothing more is put in flight"
    engage.set(apiKeys=["sandbox-key"])
    _passes(program, seconds=10)
    assert (await follower.push()).accepted == 2


async def test_trouble_stops_the_run_before_everything_is_in_flight(
    timed_program: Program, engage: Sandbox
) -> None:
    program = timed_program
    follower = await program.follower(batch_rows_max=1, requests_at_once=2)
    contacts = [member(number) for number in range(20)]
    engage.know(*contacts)
    await program.earn_all([(contact, 1) for contact in contacts])
    engage.fault({"kind": "error-before", "path": BALANCES})
    pushed = await follower.push()
    assert pushed.trouble is not None
    assert pushed.sent <= 4
    assert await program.marks() >= 14


async def test_applied_late_the_newest_total_wins_after_settling(
    timed_program: Program, engage: Sandbox
) -> None:
    """Two totals on their way, the older applied last, would leave the older one standing."""
    program, follower = timed_program, await timed_program.follower()
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    engage.fault(
        {"kind": "apply-late", "path": BALANCES, "milliseconds": 3_600_000, "times": 1},
        {"kind": "drop-after", "path": BALANCES, "times": 1},
    )
    assert (await follower.push()).unclear == 1
    await program.earn(member(1001), 11)
    assert (await follower.push()).sent == 0, "the older total may still be applied"
    engage.run_job(even_late=True)
    assert engage.balances() == {member(1001): Decimal(100)}
    _passes(program, seconds=60)
    assert (await follower.settle()).agreed == 1
    await _to_the_end(program, follower, engage)
    assert engage.balances() == {member(1001): Decimal(111)}
    assert "balance-sent-while-one-waits" not in engage.findings()["counts"]


async def test_an_acceptance_without_an_id_is_settled_by_reading(
    timed_program: Program, engage: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, follower = timed_program, await timed_program.follower()
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    monkeypatch.setattr("sync.engage.progress.request_id", lambda _body, _location: None)
    pushed = await follower.push()
    assert (pushed.unclear, pushed.trouble) == (1, None)
    engage.run_job()
    _passes(program, seconds=60)
    assert (await follower.settle()).agreed == 1


async def test_a_sender_that_died_on_the_way_is_noticed(
    timed_program: Program, engage: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, follower = timed_program, await timed_program.follower()
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    post = follower.context.client.post

    async def post_and_die(path: str, body: bytes, **_: object) -> None:
        await post(path, body)
        raise asyncio.CancelledError

    monkeypatch.setattr(follower.context.client, "post", post_and_die)
    await follower.push()
    assert await program.states() == ["sending"]
    monkeypatch.undo()
    engage.run_job()
    await program.earn(member(1001), 11)
    assert (await follower.push()).sent == 0
    assert (await follower.settle()).abandoned == 0, "it may still be waiting for its answer"
    _passes(program, seconds=40)
    assert (await follower.settle()).abandoned == 1
    assert (await follower.settle()).settled == 0
    _passes(program, seconds=60)
    assert (await follower.settle()).agreed == 1
    await _to_the_end(program, follower, engage)
    assert engage.balances() == {member(1001): Decimal(111)}


async def test_a_status_that_means_nothing_to_us_is_waited_on_and_then_settled(
    timed_program: Program, engage: Sandbox
) -> None:
    program = timed_program
    follower = await program.follower(unknown_status_seconds=3600)
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    engage.fault({"kind": "status-unknown", "path": BALANCES, "word": "Indeterminate"})
    await follower.push()
    engage.run_job()
    _passes(program, seconds=1)
    await follower.poll()
    (batch,) = await follower.batches()
    assert (batch.state, batch.status) == (State.ACCEPTED, "Indeterminate")
    _passes(program, seconds=3600)
    assert (await follower.poll()).unclear == 1
    assert (await follower.settle()).agreed == 1
    (batch,) = await follower.batches()
    assert (batch.state, batch.status) == (State.SETTLED, "Indeterminate")


async def test_a_word_can_be_given_a_meaning(timed_program: Program, engage: Sandbox) -> None:
    program = timed_program
    follower = await program.follower(status_meanings={"KLAR": Meaning.DONE})
    engage.set(balances={"statusWords": {"completed": "Klar"}})
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    await _to_the_end(program, follower, engage)


async def test_no_status_right_after_posting_is_not_a_failure(
    timed_program: Program, engage: Sandbox
) -> None:
    program, follower = timed_program, await timed_program.follower()
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    engage.fault({"kind": "status-missing", "path": BALANCES, "milliseconds": 300})
    await follower.push()
    engage.run_job()
    _passes(program, seconds=1)
    assert (await follower.poll()).asked == 1
    assert await program.states() == ["accepted"]
    await asyncio.sleep(0.4)
    _passes(program, seconds=1)
    assert (await follower.poll()).done == 1


async def test_a_question_that_fails_is_asked_again(
    timed_program: Program, engage: Sandbox
) -> None:
    program, follower = timed_program, await timed_program.follower()
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    await follower.push()
    engage.run_job()
    engage.fault({"kind": "error-before", "path": STATUS, "times": 1})
    _passes(program, seconds=1)
    assert (await follower.poll()).trouble is not None
    assert (await follower.poll()).asked == 0
    _passes(program, seconds=10)
    assert (await follower.poll()).done == 1


async def test_reading_that_fails_is_put_off_and_resumed(
    timed_program: Program, engage: Sandbox
) -> None:
    program, follower = timed_program, await timed_program.follower()
    contacts = [member(number) for number in range(60)]
    engage.know(*contacts)
    await program.earn_all([(contact, 1) for contact in contacts])
    engage.fault(
        {"kind": "drop-after", "path": BALANCES, "times": 1},
        {"kind": "error-before", "path": ACCOUNTS, "skip": 30, "times": 1},
    )
    await follower.push()
    engage.run_job()
    _passes(program, seconds=60)
    first = await follower.settle()
    assert first.trouble is not None
    assert 25 <= first.agreed < 60
    _passes(program, seconds=10)
    second = await follower.settle()
    assert first.agreed + second.agreed == 60
    assert await program.states() == ["settled"]
    assert (await follower.sync()).is_complete


async def test_of_a_large_unclear_batch_some_are_read_and_the_rest_pushed_again(
    timed_program: Program, engage: Sandbox
) -> None:
    program, follower = timed_program, await timed_program.follower(read_back_max=5)
    contacts = [member(number) for number in range(30)]
    engage.know(*contacts)
    await program.earn_all([(contact, 1) for contact in contacts])
    engage.fault({"kind": "drop-after", "path": BALANCES, "times": 1})
    await follower.push()
    engage.run_job()
    _passes(program, seconds=60)
    settled = await follower.settle()
    assert (settled.read, settled.agreed, settled.again) == (5, 5, 25)
    assert (await follower.push()).rows == 25


async def test_a_contact_unknown_to_engage_is_parked_and_its_neighbours_are_not(
    timed_program: Program, engage: Sandbox
) -> None:
    program, follower = timed_program, await timed_program.follower()
    engage.know(member(1001), member(1003))
    for number in (1001, 1002, 1003):
        await program.earn(member(number), number)
    await follower.push()
    engage.run_job()
    _passes(program, seconds=1)
    polled = await follower.poll()
    assert polled.done == 1
    settled = await follower.settle()
    assert (settled.read, settled.parked, settled.again) == (1, 1, 0)
    (batch,) = await follower.batches()
    assert batch.state is State.DONE
    assert len(batch.messages) == 1
    reason = await program.pool.fetchval("select parked_reason from engage.account "
                                         "where parked_reason is not null")  # fmt: skip
    assert reason == f"Contact {member(1002)} was not found"
    assert (await follower.status()).parked == 1
    assert (await follower.sync()).is_complete, "nothing is on its way"
    assert engage.balances() == {member(1001): Decimal(1001), member(1003): Decimal(1003)}
    engage.know(member(1002))
    await program.earn(member(1002), 1)
    await _to_the_end(program, follower, engage)
    assert engage.balances()[member(1002)] == Decimal(1003)
    assert (await follower.status()).parked == 0


async def test_of_many_complaints_some_are_looked_into_and_speak_for_the_others(
    timed_program: Program, engage: Sandbox
) -> None:
    program, follower = timed_program, await timed_program.follower(read_back_max=5)
    engage.know(member(0))
    await program.earn_all([(member(number), 1) for number in range(31)])
    await follower.push()
    engage.run_job()
    _passes(program, seconds=1)
    assert (await follower.poll()).done == 1
    settled = await follower.settle()
    assert (settled.read, settled.parked, settled.again) == (5, 30, 0)
    assert (await follower.sync()).is_complete


async def test_what_engage_says_of_every_row_need_not_be_a_complaint(
    timed_program: Program, engage: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, follower = timed_program, await timed_program.follower(read_back_max=5)
    contacts = [member(number) for number in range(30)]
    engage.know(*contacts)
    await program.earn_all([(contact, 1) for contact in contacts])
    monkeypatch.setattr(
        "sync.engage.ending.named_rows",
        lambda contacts, _said: dict.fromkeys(range(len(contacts)), "The balance was set"),
    )
    monkeypatch.setattr("sync.engage.progress.read_status", _talkative)
    await follower.push()
    engage.run_job()
    _passes(program, seconds=1)
    assert (await follower.poll()).done == 1
    settled = await follower.settle()
    assert (settled.read, settled.agreed, settled.parked, settled.again) == (5, 30, 0, 0)
    assert (await follower.sync()).is_complete


def _talkative(_body: bytes) -> Status:
    return Status("Completed", (Message("The balance was set"),))


async def test_a_batch_that_failed_as_a_whole_parks_those_it_names(
    timed_program: Program, engage: Sandbox
) -> None:
    program, follower = timed_program, await timed_program.follower()
    await program.earn(member(1001), 100)
    await program.earn(member(1002), 100)
    await follower.push()
    engage.run_job()
    _passes(program, seconds=1)
    assert (await follower.poll()).failed == 1
    assert (await follower.status()).parked == 2
    assert (await follower.sync()).is_complete


async def test_a_failure_without_names_is_tried_in_smaller_company_and_then_parked(
    timed_program: Program, engage: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, follower = timed_program, await timed_program.follower(batch_rows_max=10)
    contacts = [member(number) for number in range(12)]
    await program.earn_all([(contact, 1) for contact in contacts])
    monkeypatch.setattr("sync.engage.ending.named_rows", lambda _contacts, _messages: {})
    sizes = []
    for _ in range(4):
        await follower.push()
        sizes.append(
            await program.count("select max(row_count) from engage.batch where state = 'accepted'")
        )
        engage.run_job()
        _passes(program, seconds=1)
        assert (await follower.poll()).failed > 0
        _passes(program, seconds=600)
    assert sizes == [10, 1, 1, 1]
    assert (await follower.status()).parked == 12
    assert (await follower.sync()).is_complete


async def test_a_request_refused_for_its_rows_is_divided(
    timed_program: Program, engage: Sandbox
) -> None:
    """Whatever is wrong with a row, the others reach Engage."""
    program, follower = timed_program, await timed_program.follower()
    contacts = [member(number) for number in range(150)]
    engage.know(*contacts)
    engage.set(rowsMax=100)
    await program.earn_all([(contact, 1) for contact in contacts])
    assert (await follower.push()).refused == 1
    assert await program.states() == ["refused"]
    _passes(program, seconds=10)
    again = await follower.push()
    assert (again.sent, again.accepted, again.rows) == (2, 2, 150)
    engage.run_job()
    _passes(program, seconds=1)
    assert (await follower.sync()).is_complete
    assert len(engage.balances()) == 150


async def test_engage_restarting_loses_nothing(timed_program: Program, engage: Sandbox) -> None:
    program, follower = timed_program, await timed_program.follower()
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    await follower.push()
    engage.post("/restart", {"queue": "forget"})
    await asyncio.sleep(0.5)
    _passes(program, seconds=1)
    await follower.poll()
    assert await program.states() == ["accepted"], "404 may mean anything"
    _passes(program, seconds=3600)
    assert (await follower.poll()).unclear == 1
    assert (await follower.settle()).again == 1
    await _to_the_end(program, follower, engage)
    assert engage.balances() == {member(1001): Decimal(100)}


def _passes(program: Program, **duration: float) -> None:
    assert program.now is not None
    program.now.passes(**duration)


async def _to_the_end(program: Program, follower: Follower, engage: Sandbox) -> None:
    """Push what is left, and let Engage apply it and say so."""
    engage.behave()
    assert (await follower.push()).accepted == 1
    engage.run_job()
    _passes(program, seconds=10)
    assert (await follower.sync()).is_complete

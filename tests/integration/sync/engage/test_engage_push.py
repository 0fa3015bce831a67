"""Totals on their way to Engage: what is sent, when, and that it is sent one thing at a time."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from ledger.outbox import Outbox
from ledger.posting import Books
from sync.engage import Follower, State, marks, push, storing
from sync.engage.total_options import TotalOptions
from sync.engage.transactions import deriving
from tests.following.program import Program, Sandbox, member

BALANCES = "/point-accounts/balances"


async def test_a_purchase_reaches_engage(program: Program, engage: Sandbox) -> None:
    engage.know(member(1001))
    await program.earn(member(1001), 120)
    follower = await program.follower()
    pushed = await follower.push()
    assert (pushed.stored, pushed.sent, pushed.accepted, pushed.rows) == (1, 1, 1, 1)
    assert engage.balances() == {}, "Engage applies it only when its job runs"
    engage.run_job()
    report = await follower.sync(wait_seconds=5)
    assert report.is_complete
    assert engage.balances() == {member(1001): Decimal(120)}
    (batch,) = await follower.batches()
    assert (batch.state, batch.status, batch.attempts) == (State.DONE, "Completed", 1)


async def test_what_never_left_is_not_told_as_sent(program: Program) -> None:
    await program.earn(member(1001), 250)
    follower = await program.follower(base_url="http://127.0.0.1:9")
    report = await follower.push()
    assert (report.stored, report.put_off) == (1, 1)
    assert (report.sent, report.rows) == (0, 0)
    assert report.trouble is not None


async def test_the_request_is_exactly_what_was_stored(program: Program, engage: Sandbox) -> None:
    engage.know(member(1001), member(1002))
    await program.earn(member(1001), 120)
    await program.earn(member(1002), 1250, definition=2)
    await (await program.follower()).push()
    (request,) = engage.requests(BALANCES)
    stored = await program.pool.fetchval("select body from engage.batch")
    assert request["requestBody"].encode() == stored
    rows = {row["contactId"]: row for row in msgspec.json.decode(stored)}
    assert rows[str(member(1001))]["amount"] == 120
    assert rows[str(member(1002))]["amount"] == 12.5, "1250 at two decimals"
    assert rows[str(member(1002))]["definitionId"] == 2
    assert all(row["timeStamp"].endswith("Z") for row in rows.values())
    assert request["path"] == "/api/v3/point-accounts/balances"


async def test_the_request_is_to_the_byte_as_documented(timed_program: Program) -> None:
    program = timed_program
    assert program.now is not None
    program.now.instant = datetime(2023, 5, 16, 12, 20, 3, 807_999, tzinfo=UTC)
    await program.earn(member(1), 122)
    await program.earn(member(2), 10**17, definition=2)
    await program.earn(member(3), 6350, definition=2)
    await program.adjust(member(4), -1)
    follower = await program.follower(total=TotalOptions(below_zero=True))
    (request,) = (await follower.rehearse()).requests
    sent = sorted(request.body[1:-1].replace(b"},{", b"}\n{").splitlines())
    stamp = b'"timeStamp":"2023-05-16T12:20:03.807Z"}'
    assert sent == [
        b'{"contactId":"%s","amount":%s,"definitionId":%d,%s'
        % (str(member(number)).encode(), amount, definition, stamp)
        for number, amount, definition in (
            (1, b"122", 1),
            (2, b"1000000000000000", 2),
            (3, b"63.5", 2),
            (4, b"-1", 1),
        )
    ]


async def test_what_is_due_and_not_booked_is_told_as_the_books_would(
    timed_program: Program, engage: Sandbox
) -> None:
    program = timed_program
    assert program.now is not None
    soon = program.now() + timedelta(hours=1)
    engage.know(member(1), member(2), member(3))
    await program.earn(member(1), 100, valid_to=soon)
    await program.earn(member(1), 7)
    await program.earn(member(2), 50, valid_from=soon)
    await program.earn(member(3), 3)
    program.now.passes(hours=2)
    follower = await program.follower()
    await follower.sync(wait_seconds=5)
    engage.run_job()
    assert engage.balances() == {member(1): 7, member(2): 50, member(3): 3}


async def test_version_2_has_paths_of_its_own(program: Program, engage: Sandbox) -> None:
    engage.know(member(1001))
    await program.earn(member(1001), 5)
    follower = await program.follower(api_version="v2")
    await follower.push()
    engage.run_job()
    assert (await follower.sync(wait_seconds=5)).is_complete
    assert engage.requests("/api/v2/point-accounts/balances")
    assert not engage.requests("/api/v3/")


async def test_many_changes_of_an_account_become_one_row(program: Program, engage: Sandbox) -> None:
    engage.know(member(1001), member(1002))
    for _ in range(30):
        await program.earn(member(1001), 10)
    await program.earn(member(1002), 7)
    pushed = await (await program.follower()).push()
    assert pushed.rows == 2
    engage.run_job()
    assert engage.balances() == {member(1001): Decimal(300), member(1002): Decimal(7)}


async def test_what_engage_has_already_is_not_sent_again(program: Program, engage: Sandbox) -> None:
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    follower = await program.follower()
    await follower.push()
    engage.run_job()
    assert (await follower.sync(wait_seconds=5)).is_complete
    await program.adjust(member(1001), 50)
    await program.adjust(member(1001), -50)
    pushed = await follower.push()
    assert (pushed.stored, pushed.unchanged) == (0, 1)
    assert await program.marks() == 0
    assert len(engage.requests(BALANCES)) == 1


async def test_debt_is_told_as_zero(program: Program, engage: Sandbox) -> None:
    engage.know(member(1001))
    await program.earn(member(1001), 30)
    await program.adjust(member(1001), -50)
    follower = await program.follower()
    await follower.push()
    engage.run_job()
    assert engage.balances() == {member(1001): Decimal(0)}


async def test_debt_can_be_told_as_a_negative_total(program: Program, engage: Sandbox) -> None:
    engage.know(member(1001))
    await program.adjust(member(1001), -50)
    follower = await program.follower(total=TotalOptions(below_zero=True))
    await follower.push()
    engage.run_job()
    assert engage.balances() == {member(1001): Decimal(-50)}


async def test_a_change_while_in_flight_waits_for_the_end_of_the_push(
    program: Program, engage: Sandbox
) -> None:
    engage.know(member(1001), member(1002))
    await program.earn(member(1001), 100)
    follower = await program.follower()
    await follower.push()
    await program.earn(member(1001), 20)
    await program.earn(member(1002), 5)
    pushed = await follower.push()
    assert pushed.rows == 1, "only the other account"
    assert await program.marks() == 1, "the change is not forgotten"
    engage.run_job()
    await asyncio.sleep(0.1)
    await follower.poll()
    assert (await follower.push()).rows == 1
    engage.run_job()
    assert (await follower.sync(wait_seconds=5)).is_complete
    assert engage.balances() == {member(1001): Decimal(120), member(1002): Decimal(5)}
    assert "balance-sent-while-one-waits" not in _findings(engage)


async def test_the_id_is_found_in_any_likely_form(program: Program, engage: Sandbox) -> None:
    engage.know(member(1001))
    follower = await program.follower()
    forms = ["string", "id", "transactionId", "batchId", "text", "location"]
    for number, (form, status) in enumerate(itertools.product(forms, [200, 202]), start=1):
        engage.set(balances={"answerForm": form, "answerStatus": status})
        await program.earn(member(1001), 1)
        assert (await follower.push()).accepted == 1, form
        engage.run_job()
        assert (await follower.sync(wait_seconds=5)).is_complete
        assert engage.balances() == {member(1001): Decimal(number)}


async def test_a_thousand_rows_a_request_and_several_requests_at_once(
    program: Program, engage: Sandbox
) -> None:
    await _many(program, engage, 2500)
    follower = await program.follower()
    pushed = await follower.push()
    assert (pushed.sent, pushed.rows) == (3, 2500)
    bodies = [msgspec.json.decode(sent["requestBody"]) for sent in engage.requests(BALANCES)]
    assert sorted(len(rows) for rows in bodies) == [500, 1000, 1000]
    engage.run_job()
    assert (await follower.sync(wait_seconds=10)).is_complete
    assert len(engage.balances()) == 2500


async def test_two_pushers_at_once_send_each_account_once(
    program: Program, engage: Sandbox
) -> None:
    await _many(program, engage, 2000)
    followers = [await program.follower(batch_rows_max=100) for _ in range(4)]
    reports = await asyncio.gather(*(follower.push() for follower in followers))
    assert sum(report.rows for report in reports) == 2000
    sent = [
        row["contactId"]
        for request in engage.requests(BALANCES)
        for row in msgspec.json.decode(request["requestBody"])
    ]
    assert len(sent) == len(set(sent)) == 2000
    assert await program.marks() == 0


async def test_pushers_and_postings_at_once_end_with_the_newest_totals(
    program: Program, engage: Sandbox
) -> None:
    contacts = [member(number) for number in range(20)]
    engage.know(*contacts)
    engage.set(balances={"jobSeconds": 0.02})
    followers = [await program.follower(poll_seconds=(0.02,)) for _ in range(3)]
    done = asyncio.Event()

    async def shop() -> None:
        for round_ in range(15):
            await program.earn_all([(contact, 1 + round_) for contact in contacts])
        done.set()

    async def follow(follower: Follower) -> None:
        while not done.is_set():
            await follower.push()
            await follower.poll()
            await follower.settle()

    await asyncio.gather(shop(), *(follow(follower) for follower in followers))
    assert (await followers[0].sync(wait_seconds=20)).is_complete
    expected = sum(range(1, 16))
    assert engage.balances() == {contact: Decimal(expected) for contact in contacts}
    assert _findings(engage) == []


async def test_points_that_lapse_are_told_when_they_lapse(
    timed_program: Program, engage: Sandbox
) -> None:
    program = timed_program
    assert program.now is not None
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    await program.earn(member(1001), 40, valid_to=program.now() + timedelta(days=1))
    await program.earn(member(1001), 7, valid_from=program.now() + timedelta(days=2))
    follower = await program.follower()
    await _round(program, follower, engage)
    assert engage.balances() == {member(1001): Decimal(140)}
    program.now.passes(days=1)
    assert await program.books.sweep() == 1
    await _round(program, follower, engage)
    assert engage.balances() == {member(1001): Decimal(100)}
    program.now.passes(days=1)
    assert await program.books.sweep() == 1
    await _round(program, follower, engage)
    assert engage.balances() == {member(1001): Decimal(107)}


async def test_everything_can_be_pushed_again(program: Program, engage: Sandbox) -> None:
    await _many(program, engage, 30)
    follower = await program.follower()
    await follower.push()
    engage.run_job()
    assert (await follower.sync(wait_seconds=5)).is_complete
    before = engage.balances()
    engage.post("/balances", {"balances": [{"contactId": str(member(3)), "amount": 999_999}]})
    assert engage.balances() != before
    assert await follower.push_everything() == 30
    assert (await follower.push()).rows == 30
    engage.run_job()
    assert (await follower.sync(wait_seconds=5)).is_complete
    assert engage.balances() == before


async def test_everything_is_marked_stretch_by_stretch(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    await program.earn_all([(member(number), 1) for number in range(6)])
    await program.earn(member(1), 1, definition=2)
    await program.pool.execute("delete from ledger.outbox")
    await program.earn(member(3), 1)
    follower = await program.follower()
    monkeypatch.setattr(marks, "WINDOW", 2)
    assert await follower.push_everything() == 6, "one of seven was marked before"
    assert await program.marks() == 7
    assert await follower.push_everything() == 0


async def test_a_history_is_taken_up_stretch_by_stretch(
    rows_program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = rows_program
    await program.earn_all([(member(number % 3), 1) for number in range(7)])
    await program.pool.execute("delete from ledger.outbox")
    follower = await program.follower()
    monkeypatch.setattr(deriving, "HISTORY_AT_ONCE", 2)
    assert await follower.push_everything() == 7
    assert await program.marks() == 7
    assert await follower.push_everything() == 0


async def test_a_first_load_needs_no_marks(program: Program, engage: Sandbox) -> None:
    """A program that existed before Engage followed it."""
    quiet = Books(program.pool, program.catalogue, outbox=Outbox())
    loud, program.books = program.books, quiet
    await _many(program, engage, 10)
    program.books = loud
    follower = await program.follower()
    assert (await follower.push()).rows == 0
    await follower.push_everything()
    assert (await follower.push()).rows == 10


async def test_stamps_rise_from_push_to_push_even_when_the_clock_falls(
    timed_program: Program, engage: Sandbox
) -> None:
    program = timed_program
    assert program.now is not None
    engage.know(member(1001))
    engage.set(balances={"dropOlder": True})
    await program.earn(member(1001), 1)
    follower = await program.follower()
    await _round(program, follower, engage)
    program.now.passes(seconds=-30)
    await program.earn(member(1001), 1)
    await _round(program, follower, engage, seconds=0.2)
    assert engage.balances() == {member(1001): Decimal(2)}


async def test_an_erased_person_is_not_told_of(program: Program, engage: Sandbox) -> None:
    engage.know(member(1001), member(1002))
    await program.earn(member(1001), 1)
    await program.earn(member(1002), 2)
    await program.pool.execute("delete from ledger.contact where contact_id = $1", member(1001))
    pushed = await (await program.follower()).push()
    assert pushed.rows == 1
    assert await program.marks() == 0


async def test_a_tenant_is_pushed_without_the_others(program: Program, engage: Sandbox) -> None:
    """Another tenant's marks stay where they are."""
    engage.know(member(1001))
    await program.earn(member(1001), 1)
    await program.pool.execute(
        "insert into ledger.outbox (consumer, holder_id, definition_id, number) "
        "values (1, gen_random_uuid(), 999, 1), (2, gen_random_uuid(), 1, 1)"
    )
    assert (await (await program.follower()).push()).rows == 1
    assert await program.marks() == 2


class DiedError(Exception):
    """Stands for the process being killed at that point."""


async def test_a_crash_while_storing_leaves_the_marks(
    program: Program, engage: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    follower = await program.follower()

    store = storing.store

    async def die(*arguments: object) -> None:
        await store(*arguments)  # type: ignore[arg-type] # passed on as they came
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(push, "store", die)
        with pytest.raises(DiedError):
            await follower.push()
    assert await program.states() == []
    assert await program.marks() == 1
    assert (await follower.push()).accepted == 1


async def test_a_crash_after_storing_leaves_the_exact_bytes(
    program: Program, engage: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    engage.know(member(1001))
    await program.earn(member(1001), 100)
    follower = await program.follower()

    async def die() -> None:
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(follower.context.client, "turn", die)
        with pytest.raises(DiedError):
            await follower.push()
    assert await program.states() == ["stored"]
    stored = await program.pool.fetchval("select body from engage.batch")
    await program.earn(member(1001), 11)
    await follower.push()
    (request,) = engage.requests(BALANCES)
    assert request["requestBody"].encode() == stored, "sent as it was stored"
    assert await program.marks() == 1, "what came later waits its turn"
    engage.run_job()
    await asyncio.sleep(0.1)
    await follower.poll()
    await follower.push()
    engage.run_job()
    assert (await follower.sync(wait_seconds=5)).is_complete
    assert engage.balances() == {member(1001): Decimal(111)}


async def _many(program: Program, engage: Sandbox, count: int) -> None:
    """So many members with points, Engage knowing them all."""
    contacts = [member(number) for number in range(count)]
    engage.know(*contacts)
    await program.earn_all([(contact, 1 + place % 7) for place, contact in enumerate(contacts)])


async def _round(
    program: Program, follower: Follower, engage: Sandbox, *, seconds: float = 10
) -> None:
    """Push, let Engage's job run, hear of it."""
    assert program.now is not None
    assert (await follower.push()).accepted == 1
    engage.run_job()
    program.now.passes(seconds=seconds)
    assert (await follower.poll()).done == 1


def _findings(engage: Sandbox) -> list[str]:
    return list(engage.findings()["counts"])

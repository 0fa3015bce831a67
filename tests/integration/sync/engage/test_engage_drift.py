"""Drift: what Engage has is compared with the books, put right where it may be, and recorded."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from sync.engage import Follower
from sync.engage.contacts.options import ContactOptions
from sync.engage.drift.options import DriftOptions
from sync.engage.pauses import Direction
from sync.engage.transactions.effects import Expiry
from sync.engage.transactions.options import TransactionOptions
from tests.following.door import door
from tests.following.histories import at_one_time
from tests.following.program import ENCRYPTION_KEY, SIGNING_SECRET, Program, Sandbox, member

READS = "/point-accounts?"


def options(**given: Any) -> DriftOptions:
    return DriftOptions(**{"per_second": 49.9, "sample_accounts": 0} | given)


async def told(program: Program, engage: Sandbox, amounts: dict[UUID, int]) -> Follower:
    """A follower whose Engage has these totals."""
    engage.know(*amounts)
    await program.earn_all(list(amounts.items()))  # type: ignore[arg-type] # contacts are GUIDs
    follower = await program.follower(drift=options())
    await follower.push()
    engage.run_job()
    assert (await follower.sync(wait_seconds=5)).is_complete
    return follower


def slip(engage: Sandbox, contact: UUID, amount: float, definition: int = 1) -> None:
    """Engage's number changes behind everybody's back."""
    balance = {"contactId": str(contact), "definitionId": definition, "amount": amount}
    engage.post("/balances", {"balances": [balance]})


async def test_both_sides_agree(program: Program, engage: Sandbox) -> None:
    follower = await told(program, engage, {member(1001): 10, member(1002): 20})
    report = await follower.compare()
    assert (report.compared, report.agreed, report.differing) == (2, 2, 0)
    assert (await follower.status()).drift.differing == 0


async def test_a_slip_in_engage_is_found_pushed_again_and_recorded(
    program: Program, engage: Sandbox
) -> None:
    follower = await told(program, engage, {member(1001): 10, member(1002): 20})
    slip(engage, member(1002), 25.5)
    report = await follower.compare()
    assert (report.differing, report.repaired) == (1, 1)
    status = await follower.status()
    assert (status.drift.differing, status.drift.size) == (1, Decimal("5.5"))
    await follower.push()
    engage.run_job()
    await follower.sync(wait_seconds=5)
    assert engage.balances()[member(1002)] == 20
    report = await follower.compare(sample=True)
    assert (report.compared, report.closed) == (1, 1), "a sample looks at what differed first"
    (found,) = await follower.differences()
    assert (found.contact, found.engage_total, found.books_total) == (
        member(1002),
        Decimal("25.5"),
        20,
    )
    assert (found.repair, found.repairs, found.unrepaired) == ("push", 1, None)
    assert found.closed_at is not None
    assert (await follower.status()).drift.differing == 0


async def test_what_is_on_its_way_or_to_be_told_is_no_difference(
    program: Program, engage: Sandbox
) -> None:
    follower = await told(program, engage, {member(1001): 10, member(1002): 20})
    await program.earn(member(1001), 5)
    report = await follower.compare()
    assert (report.agreed, report.moved, report.differing) == (1, 1, 0), "marked"
    await follower.push()
    report = await follower.compare()
    assert (report.compared, report.moved) == (1, 0), "in flight: not even looked at"
    engage.run_job()
    await follower.sync(wait_seconds=5)
    report = await follower.compare()
    assert (report.agreed, report.differing) == (2, 0)


async def test_an_account_of_which_engage_says_something_else_is_compared_soon(
    program: Program, engage: Sandbox
) -> None:
    follower = await told(program, engage, {member(1001): 10, member(1002): 20})
    async with door(follower) as address:
        webhook = {
            "url": f"{address}/webhooks",
            "signingSecrets": [SIGNING_SECRET],
            "encryptionKey": ENCRYPTION_KEY,
            "balanceUpdated": True,
        }
        engage.set(webhook=webhook)
        await program.earn(member(1001), 5)
        await follower.push()
        await asyncio.to_thread(engage.run_job)
        assert "Engage shows" not in await heard(follower, 1), "what it was told a moment ago"
        assert (await follower.sync(wait_seconds=5)).is_complete
        await asyncio.to_thread(slip, engage, member(1002), 25.5)
        said = await heard(follower, 2)
        assert "Engage shows 25.5, the books have 20; the account is compared soon" in said
        engage.set(webhook={"url": None, "balanceUpdated": False})
    report = await follower.compare(sample=True)
    assert (report.compared, report.differing, report.repaired) == (1, 1, 1)
    assert await program.count("select count(*) from ledger.transaction") == 3
    assert (await follower.compare(sample=True)).compared == 0, "what differs waits to be told"


async def heard(follower: Follower, count: int) -> str:
    """What became of the last of so many messages, once they are there."""
    async with asyncio.timeout(30):
        while len(found := await follower.deliveries()) < count:
            await asyncio.sleep(0.02)
    return found[0].message or ""


async def test_a_share_goes_on_where_the_last_one_ended(program: Program, engage: Sandbox) -> None:
    contacts = [member(number) for number in range(25)]
    follower = await told(program, engage, dict.fromkeys(contacts, 5))
    first = engage.get("/requests")["total"]
    for _ in range(2):
        assert (await follower.compare(accounts_max=10)).compared == 10
    report = await follower.compare(accounts_max=10)
    assert report.compared == 10
    asked = [one["query"] for one in engage.requests("/point-accounts", "GET")]
    assert engage.get("/requests")["total"] - first == 30
    assert len(set(asked[-30:-5])) == 25, "everybody once before anybody twice"


async def test_accounts_engage_was_never_told_of_are_found(
    program: Program, engage: Sandbox
) -> None:
    engage.know(member(1001))
    await program.earn(member(1001), 10)
    await program.pool.execute("delete from ledger.outbox")
    follower = await program.follower(drift=options())
    assert (await follower.compare()).repaired == 1
    await follower.push()
    engage.run_job()
    assert engage.balances() == {member(1001): Decimal(10)}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"repair_totals": False}, "switched off"),
        ({"repair_points_max": 4}, "repair_points_max"),
        ({"repairs_max": 0}, "repairs_max"),
    ],
)
async def test_repairs_have_limits(
    program: Program, engage: Sandbox, given: dict[str, Any], reason: str
) -> None:
    await told(program, engage, {member(1001): 10})
    slip(engage, member(1001), 15)
    follower = await program.follower(drift=options(**given))
    report = await follower.compare()
    assert (report.differing, report.repaired) == (1, 0)
    (found,) = await follower.differences(only_open=True)
    assert reason in (found.unrepaired or "")
    assert await program.marks() == 0


async def test_nothing_is_repaired_while_a_person_has_stopped_pushing(
    program: Program, engage: Sandbox
) -> None:
    follower = await told(program, engage, {member(1001): 10})
    slip(engage, member(1001), 15)
    await follower.pause(Direction.PUSH, "support", "checking")
    assert (await follower.compare()).repaired == 0
    await follower.pause(Direction.DRIFT, "support")
    report = await follower.compare()
    assert report.compared == 0
    assert (report.trouble or "").startswith("paused by support since ")


async def test_a_contact_engage_does_not_have_is_a_difference_for_a_person(
    program: Program, engage: Sandbox
) -> None:
    follower = await told(program, engage, {member(1001): 10})
    engage.http.delete(f"/_sandbox/contacts/{member(1001)}").raise_for_status()
    report = await follower.compare()
    assert (report.differing, report.unknown, report.repaired) == (1, 1, 0)
    (found,) = await follower.differences()
    assert (found.engage_total, found.unrepaired) == (None, "Engage does not know the contact")


async def test_trouble_at_engage_ends_it_and_nothing_is_taken_for_a_difference(
    program: Program, engage: Sandbox
) -> None:
    follower = await told(program, engage, {member(number): 5 for number in range(10)})
    engage.fault({"kind": "error-before", "method": "GET", "skip": 3})
    report = await follower.compare()
    assert report.trouble
    assert (report.agreed, report.differing) == (3, 0)


async def test_rows_that_went_missing_are_corrected_by_one_row_if_so_configured(
    rows_program: Program, engage: Sandbox
) -> None:
    now = at_one_time(rows_program, engage)
    engage.know(member(1001))
    follower = await rows_program.follower(drift=options())
    await rows_program.earn(member(1001), 10)
    await rows_program.earn(member(1001), 50, valid_from=now.instant.replace(year=2030))
    await follower.sync()
    slip(engage, member(1001), 4)
    assert (await follower.compare()).repaired == 0, "only if so configured"
    follower = await rows_program.follower(drift=options(repair_rows=True))
    assert (await follower.compare(sample=True)).repaired == 1
    await follower.sync()
    assert engage.balances() == {member(1001): Decimal(10)}
    transactions = engage.get(f"/accounts/{member(1001)}")["accounts"][0]["transactions"]
    corrections = [one for one in transactions if one["source"] == "BonusBalanceAdjustment"]
    assert [one["amount"] for one in corrections] == [6]
    assert (await follower.compare(sample=True)).closed == 1
    (found,) = await follower.differences()
    assert (found.repair, found.books_pending, found.engage_pending) == ("rows", 50, Decimal(50))


async def test_pending_points_are_corrected_at_their_instants(
    rows_program: Program, engage: Sandbox
) -> None:
    now = at_one_time(rows_program, engage)
    engage.know(member(1001))
    for year, amount in ((2030, 50), (2031, 7)):
        await rows_program.earn(
            member(1001), amount, valid_from=now.instant.replace(year=year, microsecond=0)
        )
    await rows_program.pool.execute("delete from ledger.outbox where number = 2")
    follower = await rows_program.follower(drift=options(repair_rows=True))
    await follower.sync()
    assert (await follower.compare()).repaired == 1
    await follower.sync()
    engage.post("/clock", {"set": "2030-12-31T00:00:00Z", "frozen": True})
    assert engage.balances() == {member(1001): Decimal(50)}
    engage.post("/clock", {"set": "2032-01-01T00:00:00Z", "frozen": True})
    assert engage.balances() == {member(1001): Decimal(57)}


async def test_what_is_parked_is_never_corrected(rows_program: Program, engage: Sandbox) -> None:
    at_one_time(rows_program, engage)
    follower = await rows_program.follower(drift=options(repair_rows=True))
    await rows_program.earn(member(1001), 10)
    await follower.sync()
    engage.know(member(1001))
    report = await follower.compare()
    assert (report.differing, report.repaired) == (1, 0)
    (found,) = await follower.differences()
    assert found.unrepaired == "something of it is parked: retry that"


async def test_where_engage_expires_its_differences_are_found(
    rows_program: Program, engage: Sandbox
) -> None:
    """Engage spends the oldest points first, the books those that lapse soonest."""
    now = at_one_time(rows_program, engage)
    engage.know(member(1001))
    engage.set(transactions={"expire": True, "consumption": "oldest"})
    follower = await rows_program.follower(
        drift=options(), transactions=TransactionOptions(expiry=Expiry.ENGAGE)
    )
    await rows_program.earn(member(1001), 10)
    soon = now.instant.replace(microsecond=0)
    now.passes(hours=1)
    await rows_program.earn(member(1001), 10, valid_to=soon.replace(year=soon.year + 1))
    await rows_program.adjust(member(1001), -10)
    at_one_time(rows_program, engage)
    await follower.sync()
    assert (await follower.compare()).differing == 0
    now.passes(days=400)
    at_one_time(rows_program, engage)
    await rows_program.books.sweep()
    await follower.sync()
    assert (await follower.compare()).differing == 1
    (found,) = await follower.differences()
    assert (found.engage_total, found.books_total) == (Decimal(0), 10)


async def test_merged_contacts_are_told_apart(rows_program: Program, engage: Sandbox) -> None:
    """After a merge in the books the one that stays has all, the other nothing."""
    at_one_time(rows_program, engage)
    assert ContactOptions().merged == "list"
    engage.know(member(1001), member(1002))
    await rows_program.earn(member(1001), 10)
    await rows_program.earn(member(1002), 5)
    follower = await rows_program.follower(drift=options())
    await follower.sync()
    await rows_program.merge(member(1001), member(1002))
    await follower.sync()
    assert engage.balances() == {member(1001): Decimal(0), member(1002): Decimal(15)}
    assert (await follower.compare()).differing == 0

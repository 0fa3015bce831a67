"""Contacts as Engage knows them: found by member number, and noticed when they go or come."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from sync.engage import Follower
from sync.engage.contacts.lookup import Unasked
from sync.engage.contacts.members import Lookup, Member
from sync.engage.contacts.options import ContactOptions, WhenDeleted, WhenMerged
from sync.engage.pauses import Direction
from sync.erasure import ERASERS
from tests.following.program import Program, Sandbox, member

LOOKUPS = "/contacts/id"


def join(engage: Sandbox, contact: UUID, number: str) -> None:
    """A contact with a member number."""
    engage.post("/contacts", {"contacts": [{"id": str(contact), "customKey": number}]})


@pytest.fixture
async def follower(timed_program: Program) -> Follower:
    return await timed_program.follower()


async def test_a_member_number_leads_to_a_contact_and_is_remembered(
    follower: Follower, engage: Sandbox, timed_program: Program
) -> None:
    join(engage, member(1001), "A+1 @ö")
    found = {"A+1 @ö": Member(Lookup.FOUND, member(1001))}
    assert await follower.resolve(["A+1 @ö"]) == found
    assert await follower.resolve(["A+1 @ö", "A+1 @ö"]) == found
    assert len(engage.requests(LOOKUPS, "GET")) == 1
    assert timed_program.now is not None
    timed_program.now.passes(hours=25)
    await follower.resolve(["A+1 @ö"])
    assert len(engage.requests(LOOKUPS, "GET")) == 2


async def test_nobody_and_more_than_one_are_remembered_briefly(
    follower: Follower, engage: Sandbox, timed_program: Program
) -> None:
    join(engage, member(1001), "twice")
    join(engage, member(1002), "twice")
    expected = {"nobody": Member(Lookup.UNKNOWN), "twice": Member(Lookup.AMBIGUOUS)}
    for _ in range(2):
        assert await follower.resolve(["nobody", "twice"]) == expected
    assert len(engage.requests(LOOKUPS, "GET")) == 2
    join(engage, member(1003), "nobody")
    assert timed_program.now is not None
    timed_program.now.passes(seconds=31)
    found = await follower.resolve(["nobody"])
    assert found == {"nobody": Member(Lookup.FOUND, member(1003))}


async def test_a_number_that_looks_like_a_telephone_is_asked_for_as_what_it_is(
    follower: Follower, engage: Sandbox
) -> None:
    join(engage, member(1001), "0701234567")
    assert await follower.resolve(["0701234567"]) == {
        "0701234567": Member(Lookup.FOUND, member(1001))
    }


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "error-before"},
        {"kind": "drop-before"},
        {"kind": "throttle"},
        {"kind": "slow-before", "milliseconds": 1000},
        {"kind": "error-before", "status": 401},
    ],
)
async def test_while_engage_cannot_be_asked_nobody_is_guessed(
    timed_program: Program, engage: Sandbox, rule: dict[str, Any]
) -> None:
    follower = await timed_program.follower(contacts=ContactOptions(lookup_seconds=0.3))
    join(engage, member(1001), "1001")
    engage.fault({"path": "*/contacts/id", **rule})
    numbers = [str(number) for number in range(1001, 1011)]
    found = await follower.resolve(numbers)
    assert all(isinstance(one, Unasked) for one in found.values())
    assert len(engage.requests(LOOKUPS, "GET")) < 10, "one refusal stands for the others"
    assert await timed_program.count("select count(*) from engage.member") == 0


async def test_a_deleted_contact_is_listed(
    follower: Follower, engage: Sandbox, timed_program: Program
) -> None:
    engage.know(member(1001), member(1002), member(1003))
    await timed_program.earn(member(1001), 10)
    delete(engage, member(1001))
    delete(engage, member(1003))
    report = await follower.notice(ERASERS)
    assert (report.deleted, report.listed) == (1, 1), "1003 is nobody in the books"
    ((contact, into, decision),) = [
        (one.contact, one.into, one.decision) for one in await follower.gone()
    ]
    assert (contact, into, decision) == (member(1001), None, "listed")
    assert (await follower.notice(ERASERS)).listed == 0, "decided once"


async def test_a_deleted_contact_is_erased_if_so_configured(
    timed_program: Program, engage: Sandbox
) -> None:
    follower = await timed_program.follower(contacts=ContactOptions(deleted=WhenDeleted.ERASE))
    engage.know(member(1001))
    await timed_program.earn(member(1001), 10)
    delete(engage, member(1001))
    assert (await follower.notice(ERASERS)).erased == 1
    assert await timed_program.count("select count(*) from ledger.contact") == 0
    assert await timed_program.count("select count(*) from engage.gone") == 0


@pytest.mark.parametrize("merged", list(WhenMerged))
async def test_a_contact_whose_number_leads_elsewhere_was_merged(
    timed_program: Program, engage: Sandbox, merged: WhenMerged
) -> None:
    follower = await timed_program.follower(contacts=ContactOptions(merged=merged))
    join(engage, member(1001), "1001")
    join(engage, member(1002), "1002")
    await timed_program.earn(member(1001), 10)
    await timed_program.earn(member(1002), 5)
    await follower.resolve(["1001"])
    merge = {"source": str(member(1001)), "target": str(member(1002))}
    engage.post("/contacts/merge", merge)
    join(engage, member(1002), "1001")
    report = await follower.notice(ERASERS)
    assert (report.listed, report.merged) == ((0, 1) if merged == "merge" else (1, 0))
    (found,) = await follower.gone()
    assert (found.contact, found.into) == (member(1001), member(1002))
    await tell(timed_program, engage, follower)
    expected = 15 if merged == "merge" else 5
    assert engage.balances() == {member(1002): Decimal(expected)}
    assert await follower.resolve(["1001"]) == {"1001": Member(Lookup.FOUND, member(1002))}


async def test_what_was_parked_for_want_of_a_contact_is_told_when_it_is_there(
    follower: Follower, engage: Sandbox, timed_program: Program
) -> None:
    await timed_program.earn(member(1001), 10)
    await tell(timed_program, engage, follower)
    assert (await follower.status()).parked == 1
    engage.know(member(1001))
    assert (await follower.notice(ERASERS)).retried == 1
    await tell(timed_program, engage, follower)
    assert engage.balances() == {member(1001): Decimal(10)}


async def test_a_contact_that_comes_back_ends_it(
    follower: Follower, engage: Sandbox, timed_program: Program
) -> None:
    engage.know(member(1001))
    await timed_program.earn(member(1001), 10)
    delete(engage, member(1001))
    await follower.notice(ERASERS)
    engage.know(member(1001))
    assert (await follower.notice(ERASERS)).returned == 1
    assert [one.decision for one in await follower.gone()] == ["returned"]


async def test_noticing_can_be_stopped_and_survives_trouble(
    follower: Follower, engage: Sandbox, timed_program: Program
) -> None:
    engage.know(member(1001))
    await timed_program.earn(member(1001), 10)
    delete(engage, member(1001))
    await follower.pause(Direction.CONTACTS, "support")
    assert (await follower.notice(ERASERS)).trouble
    await follower.resume(Direction.CONTACTS)
    engage.fault({"kind": "error-before", "path": "*/changes", "times": 1})
    assert (await follower.notice(ERASERS)).trouble
    assert (await follower.notice(ERASERS)).listed == 1


def delete(engage: Sandbox, contact: UUID) -> None:
    engage.http.delete(f"/_sandbox/contacts/{contact}").raise_for_status()


async def tell(program: Program, engage: Sandbox, follower: Follower) -> None:
    """Tell Engage everything, whose job runs; a moment later we know."""
    await follower.push()
    engage.run_job()
    assert program.now is not None
    program.now.passes(seconds=1)
    assert (await follower.sync()).is_complete

"""Balances of everyone at any instant of both axes: what each account's own chain says.

A history is repeated by its seed: `SEED=… pytest tests/integration/ledger/test_balances_export.py`.
"""

import os
import random
from datetime import datetime

import pytest

from ledger.asof import as_of
from ledger.balances_export import FIRST, STRETCH, AccountKey, HolderBalance, walking
from ledger.contacts import erase_contact, merge_contacts
from ledger.facts import Balance, Transaction
from ledger.identity import ContactId, HolderId
from ledger.kinds import BUCKETS, LedgerAccount
from ledger.policies import Policy, Span, Validity
from ledger.postgres import Database
from ledger.reading_as_of import FutureRecordError
from ledger.trial_balance import trial_balance
from tests.bookkeeping.desk import Desk, member, opened, shop
from tests.bookkeeping.histories import CONTACTS, chains, live, moments
from tests.bookkeeping.words import holding, when


async def listed(
    desk: Desk, effective_at: datetime | None = None, recorded_at: datetime | None = None
) -> list[HolderBalance]:
    """Every balance of the shop, as of these instants."""
    definitions = [one.id for one in desk.catalogue.definitions_of(desk.tenant)]
    found = []
    async with (
        desk.pool.acquire() as connection,
        walking(
            connection,
            definitions,
            effective_at=effective_at,
            recorded_at=recorded_at,
            now=desk.at,
        ) as walk,
    ):
        async for stretch in walk.every():
            found += stretch
    return found


async def said(
    desk: Desk, effective_at: str | None = None, recorded_at: str | None = None
) -> list[str]:
    """The same in a line an account."""
    found = await listed(
        desk,
        None if effective_at is None else when(effective_at),
        None if recorded_at is None else when(recorded_at),
    )
    names: dict[ContactId | None, str] = {member(one): str(one) for one in range(1001, 1010)}
    names[None] = "nobody"
    return sorted(f"{names[one.contact]}: {holding(one.balance)}" for one in found)


def folded(
    chains: dict[HolderId, list[Transaction]],
    effective_at: datetime,
    recorded_at: datetime | None,
) -> dict[AccountKey, Balance]:
    """What `ledger.asof` makes of each chain by itself; accounts that are empty left out."""
    return {
        (holder, account.definition): account.balance
        for holder, chain in chains.items()
        for account in as_of(chain, effective_at, recorded_at)
        if any(account.balance)
    }


@pytest.mark.parametrize("turn", range(3))
async def test_every_balance_is_what_its_own_chain_says(database: Database, turn: int) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}, history {turn}")  # noqa: T201 - pytest shows it when the test fails
    draw = random.Random(seed + turn)
    policy = Policy(validity=Validity(span=Span.DAYS, length=10))
    async with opened(database, shop(policy=policy, scales=2), today="1 January") as desk:
        instants = await live(desk, draw)
        told = await chains(desk)
        compared = 0
        for effective_at, recorded_at in moments(draw, instants):
            found = await listed(desk, effective_at, recorded_at)
            keys = [(one.holder, one.definition) for one in found]
            assert keys == sorted(keys)
            wanted = folded(told, effective_at, recorded_at)
            got = {(one.holder, one.definition): one.balance for one in found}
            assert got == wanted, f"at {effective_at}, known at {recorded_at}"
            compared += len(wanted)
            async with desk.pool.acquire() as connection:
                trial = await trial_balance(
                    connection,
                    desk.catalogue,
                    desk.tenant,
                    effective_at=effective_at,
                    recorded_at=recorded_at,
                    at=desk.at,
                )
            assert trial.is_balanced, f"at {effective_at}, known at {recorded_at}"
            for one in trial.definitions:
                lines = {line.account: line.credit - line.debit for line in one.lines}
                for bucket in BUCKETS:
                    total = sum(
                        getattr(balance, bucket.word)
                        for (_, definition), balance in wanted.items()
                        if definition == one.definition
                    )
                    sign = -1 if bucket is LedgerAccount.DEBT else 1
                    assert lines[bucket] == sign * total, (
                        f"{bucket} at {effective_at}, {recorded_at}"
                    )
        assert compared > 20, "there was something to compare"


async def test_what_lapses_is_gone_at_its_very_instant_whether_or_not_it_is_booked(
    desk: Desk,
) -> None:
    await desk.book(
        desk.till.earn(CONTACTS[0], "100 until 10 January"),
        desk.till.earn(CONTACTS[1], "50 from 5 January"),
    )
    desk.today("20 January")
    unswept = [await said(desk, day) for day in ("4 January", "5 January", "10 January", "1 March")]
    assert unswept == [
        ["1001: 100 available", "1002: 50 pending"],
        ["1001: 100 available", "1002: 50 available"],
        ["1002: 50 available"],
        ["1002: 50 available"],
    ]
    await desk.sweep()
    again = [await said(desk, day) for day in ("4 January", "5 January", "10 January", "1 March")]
    assert again == unswept
    assert await said(desk, "5 January", "2 January") == unswept[1]


async def test_what_was_expected_to_lapse_counts_as_lapsed_although_it_was_spent_in_time(
    desk: Desk,
) -> None:
    """On 1 January nobody knew that the points would be spent before they lapse."""
    await desk.book(desk.till.earn(CONTACTS[0], "100 until 10 January"))
    desk.today("5 January")
    await desk.book(desk.till.redeem(CONTACTS[0], 100))
    desk.today("20 January")
    assert await said(desk, "4 January", "1 January") == ["1001: 100 available"]
    assert await said(desk, "10 January", "1 January") == []
    async with desk.pool.acquire() as connection:
        trial = await trial_balance(
            connection,
            desk.catalogue,
            desk.tenant,
            effective_at=when("10 January"),
            recorded_at=when("1 January"),
            at=desk.at,
        )
    assert trial.is_balanced
    lines = {line.account.word: line.credit or -line.debit for line in trial.definitions[0].lines}
    assert (lines["available"], lines["expired"], lines["issued"]) == (0, 100, -100)


async def test_an_answer_as_of_the_past_is_not_changed_by_what_is_booked_later(desk: Desk) -> None:
    await desk.book(desk.till.earn(CONTACTS[0], 10))
    desk.today("10 January")
    before = await said(desk, "9 January", "9 January")
    await desk.book(
        desk.till.redeem(CONTACTS[0], 4, on="3 January"), desk.till.earn(CONTACTS[1], 7)
    )
    assert await said(desk, "9 January", "9 January") == before == ["1001: 10 available"]
    assert await said(desk, "9 January") == ["1001: 6 available"]
    assert await said(desk) == ["1001: 6 available", "1002: 7 available"]


async def test_the_future_of_the_record_is_refused(desk: Desk) -> None:
    with pytest.raises(FutureRecordError):
        await said(desk, "1 January", "2 January")


async def test_merged_and_erased_contacts_keep_their_points_countable(desk: Desk) -> None:
    await desk.book(*[desk.till.earn(contact, 10) for contact in CONTACTS])
    desk.today("3 January")
    merged = {"idempotency_key": "merge 1", "fingerprint": b"merge"}
    await merge_contacts(desk.books, desk.tenant, CONTACTS[0], CONTACTS[1], **merged)  # type: ignore[arg-type]  # of two types
    await erase_contact(desk.books, desk.tenant, CONTACTS[2])
    assert await said(desk) == ["1002: 20 available"]
    assert await said(desk, "2 January") == [
        "1001: 10 available",
        "1002: 10 available",
        "nobody: 10 available",
    ]


async def test_a_walk_is_taken_up_after_any_account(desk: Desk) -> None:
    await desk.book(*[desk.till.earn(member(number), number) for number in range(1001, 1008)])
    await desk.book(desk.till.redeem(member(1003), 1003))
    walked: list[HolderBalance] = []
    after: AccountKey | None = FIRST
    async with desk.pool.acquire() as connection:
        while after is not None:
            async with walking(connection, [desk.definition], now=desk.at) as walk:
                stretch = await walk.after(after, 2)
            assert len(stretch.balances) <= 2
            walked += stretch.balances
            after = stretch.last
    assert walked == await listed(desk)
    assert len(walked) == 6
    assert STRETCH > 2

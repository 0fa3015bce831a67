"""Everything taken out of real books agrees with the books, with itself, and with what is due."""

import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from api.exporting.datasets import DATASETS, Asked
from api.exporting.formats import Format, writer_of
from api.exporting.lines import LINES
from ledger.amounts import Points
from ledger.asof import as_of
from ledger.chain import text_hash
from ledger.contacts import erase_contact, merge_contacts
from ledger.policies import Policy, Span, Validity
from ledger.postgres import Database
from ledger.requests import Hold
from tests.bookkeeping.desk import Desk, member, opened, shop
from tests.bookkeeping.histories import chains, live

Lines = list[dict[str, Any]]


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    """Books whose clock stands at 1 January until a test moves it."""
    async with opened(database) as found:
        yield found


async def exported(desk: Desk, name: str, **options: datetime | None) -> Lines:
    """A kind of rows as JSON lines, read back exactly."""
    async with desk.pool.acquire() as connection:
        asked = Asked(
            connection=connection,
            catalogue=desk.catalogue,
            tenant=desk.tenant,
            definitions=tuple(desk.catalogue.definitions_of(desk.tenant)),
            at=desk.at,
            **options,
        )
        dataset = DATASETS[name]
        writer = writer_of(Format.JSONL, dataset.fields)
        raw = b""
        async for rows in dataset.rows(asked):
            raw += writer.rows(rows)
    return [json.loads(line, parse_float=Decimal) for line in raw.splitlines()]


@pytest.mark.parametrize("turn", range(2))
async def test_everything_taken_out_agrees(database: Database, turn: int) -> None:
    seed = random.randrange(2**32)
    print(f"SEED={seed}, history {turn}")  # noqa: T201 - pytest shows it when the test fails
    policy = Policy(validity=Validity(span=Span.DAYS, length=10))
    async with opened(database, shop(policy=policy, scales=2)) as desk:
        await live(desk, random.Random(seed))
        files = {name: await exported(desk, name) for name in DATASETS}
        told = await chains(desk)

        transactions = files["transactions"]
        assert [(one["holderId"], one["number"]) for one in transactions] == sorted(
            (str(holder), fact.number) for holder, chain in told.items() for fact in chain
        )
        transfers = [
            (one["transactionId"], each["line"], each["amount"])
            for one in transactions
            for each in one["transfers"]
        ]
        assert transfers == [
            (one["transactionId"], one["line"], one["amount"]) for one in files["transfers"]
        ]
        balances: dict[tuple[str, int], list[Any]] = {
            (one["holderId"], one["definitionId"]): [
                one[bucket] for bucket in ("available", "pending", "held", "debt")
            ]
            for one in files["balances"]
        }
        remaining: dict[tuple[str, int], Any] = defaultdict(int)
        for lot in files["lots"]:
            remaining[lot["holderId"], lot["definitionId"]] += lot["remaining"]
            assert (lot["state"] == "spent") == (lot["remaining"] == 0)
        held: dict[tuple[str, int], Any] = defaultdict(int)
        for hold in files["holds"]:
            if hold["isOpen"]:
                held[hold["holderId"], hold["definitionId"]] += hold["amount"]
        for key in {*balances, *remaining}:
            available, pending, on_hold, _ = balances.get(key, [0, 0, 0, 0])
            assert remaining[key] == available + pending, key
            assert held[key] == on_hold, key
        contacts = {one["contactId"] for one in files["contacts"]}
        assert contacts == {one["contactId"] for one in transactions}

        before = {name: files[name] for name in ("balances", "lots", "contacts")}
        await desk.sweep()
        assert {name: await exported(desk, name) for name in before} == before


async def test_a_transaction_is_told_with_all_its_facts(desk: Desk) -> None:
    earn = desk.till.earn(member(1001), "100 from 5 January until 1 March", key="order 1")
    await desk.book(earn)
    desk.today("6 January")
    await desk.book(desk.till.redeem(member(1001), 30, on="6 January"))
    first, activation, redemption = await exported(desk, "transactions")
    [told, _, _] = await desk.history(member(1001))
    assert first["contactId"] == str(member(1001))
    assert (first["kind"], first["amount"], first["net"]) == ("earn", 100, 100)
    assert first["idempotencyKey"] == "order 1"
    assert first["lots"] == [
        {
            "lot": 1,
            "line": 1,
            "amount": 100,
            "effectiveAt": "2026-01-01T00:00:00Z",
            "validFrom": "2026-01-05T00:00:00Z",
            "validTo": "2026-03-01T00:00:00Z",
            "originHolderId": None,
            "originLot": None,
        }
    ]
    assert activation["kind"] == "activation"
    assert redemption["transfers"] == [
        {
            "line": 1,
            "debit": "available",
            "credit": "redeemed",
            "amount": 30,
            "effectiveAt": "2026-01-06T00:00:00Z",
            "allocations": [{"lot": 1, "amount": 30}],
        }
    ]
    assert redemption["availableAfter"] == 70
    async with desk.pool.acquire() as connection:
        row = await connection.fetchrow(
            "select hash, texts_hash from ledger.transaction where number = 1"
        )
        salt = await connection.fetchval("select salt from ledger.holder")
    assert row is not None
    assert (first["hash"], first["textsHash"]) == (row["hash"].hex(), row["texts_hash"].hex())
    assert text_hash(told.texts, salt).hex() == first["textsHash"]


async def test_what_is_due_and_not_booked_is_told_as_if_it_were(desk: Desk) -> None:
    contact = member(1001)
    await desk.book(
        desk.till.earn(contact, "100 until 10 January"),
        desk.till.earn(contact, "50 from 8 January"),
        Hold(
            **desk.till.common(contact, "hold 1", None),
            amount=Points(40),
            hold_expires_at=desk.clock() + timedelta(days=2) if desk.clock else None,
        ),
    )
    [hold] = await exported(desk, "holds")
    assert (hold["isOpen"], hold["amount"]) == (True, 40)
    desk.today("12 January")
    [hold] = await exported(desk, "holds")
    assert (hold["isOpen"], hold["endedByNumber"]) == (False, None)
    lots = await exported(desk, "lots")
    assert [(one["state"], one["remaining"], one["lapsed"]) for one in lots] == [
        ("spent", 0, 100),
        ("available", 50, 0),
    ]


async def test_balances_are_taken_out_as_of_any_instant(desk: Desk) -> None:
    await desk.book(desk.till.earn(member(1001), "100 until 10 January"))
    start = desk.clock() if desk.clock else None
    assert start is not None
    desk.today("5 January")
    await desk.book(desk.till.redeem(member(1001), 30))
    at = start + timedelta(days=3)
    [then] = await exported(desk, "balances", effective_at=at)
    assert (then["available"], then["net"], then["definitionId"]) == (100, 100, 1)
    assert await exported(desk, "balances", effective_at=start + timedelta(days=30)) == []
    told = await chains(desk)
    [account] = [one for chain in told.values() for one in as_of(chain, at, start)]
    [known] = await exported(desk, "balances", effective_at=at, recorded_at=start)
    assert known["available"] == account.balance.available


@pytest.mark.parametrize("name", sorted(LINES))
async def test_lines_that_the_database_writes_are_the_same_to_the_byte(
    database: Database, name: str
) -> None:
    seed = random.randrange(2**32)
    print(f"SEED={seed}")  # noqa: T201 - pytest shows it when the test fails
    policy = Policy(validity=Validity(span=Span.DAYS, length=10))
    async with opened(database, shop(policy=policy, scales=2)) as desk:
        await live(desk, random.Random(seed))
        told = 'Two "coffees", black'
        await desk.book(desk.till.earn(member(1), 100, key="a,b", description=told))
        # Of merged and erased people there are still lines; an erased one's name nobody.
        left, stayed, erased = (member(number) for number in (2, 3, 4))
        await desk.book(*[desk.till.earn(one, 10) for one in (left, stayed, erased)])
        await merge_contacts(
            desk.books, desk.tenant, left, stayed, idempotency_key="merge 1", fingerprint=b"merge"
        )
        await erase_contact(desk.books, desk.tenant, erased)
        # The first time with something due on some accounts, then with nothing due on any.
        for _ in range(2):
            async with desk.pool.acquire() as connection:
                asked = Asked(
                    connection=connection,
                    catalogue=desk.catalogue,
                    tenant=desk.tenant,
                    definitions=tuple(desk.catalogue.definitions_of(desk.tenant)),
                    at=desk.at,
                )
                writer = writer_of(Format.CSV, DATASETS[name].fields)
                written = [(writer.rows(one), len(one)) async for one in DATASETS[name].rows(asked)]
                lines = [one async for one in LINES[name](asked)]
            assert b"".join(text for text, _ in lines) == b"".join(text for text, _ in written)
            assert str(stayed).encode() in lines[0][0]
            assert str(erased).encode() not in b"".join(text for text, _ in lines)
            assert sum(count for _, count in lines) == sum(count for _, count in written) > 0
            await desk.sweep()

"""Verify finds whatever was changed behind the books' back, and names where.

Each tampering is done as PostgreSQL's superuser with the guards asleep, looked for, and undone.
"""

import re

import pytest

from ledger import invariants
from ledger.connection import Connection
from ledger.identity import HolderId
from ledger.postgres import connect
from tests.bookkeeping.desk import Desk, member, opened, shop

ONE, TWO, THREE = member(1001), member(1002), member(1003)

TABLES = (
    "contact", "holder", "account", "transaction", "transfer", "lot", "allocation", "idempotency",
    "rollup",
)  # fmt: skip

# `:one` is member 1001's holder, whose transactions are 1 earn, 2 earn, 3 redeem, 4 return,
# 5 adjust, 6 activation, 7 expiry and 8 redeem, which came late.
SPENT = "where holder_id = :one and number = 3"
LAST = "where holder_id = :one and number = 8"
SEVENTH = "where holder_id = :one and number = 7"
FIRST_LOT = "where holder_id = :one and lot = 1"
SECOND_LOT = "where holder_id = :one and lot = 2"
OF_ONE = "where holder_id = :one"
ANOTHER = """(jsonb_populate_record(one, '{"lot": 9}')).*"""
HASHED = "rule 9: holder :one, transaction 3 its facts do not give the hash that was chained"
TEXTS = "rule 9: holder :one, transaction 1 its texts are not those that were hashed"
FORGED = "insert into rollup values (1, {account}, '2026-01-01', '2026-01-01', {amount})"

# What must be found, and the statements that bring it about.
TAMPERINGS: list[tuple[str, ...]] = [
    # a rewritten amount
    (HASHED, f"update transaction set amount = amount + 1 {SPENT}"),
    (HASHED, f"update transfer set amount = amount + 1 {SPENT}"),
    (HASHED, f"update allocation set amount = amount + 1 {SPENT}"),
    # another lot, another side, another time, another story
    (HASHED, f"update allocation set lot = 3 - lot {SPENT}"),
    (HASHED, f"update transfer set credit = 14 {SPENT}"),
    (HASHED, f"update transfer set effective_at = effective_at - interval '1 day' {SPENT}"),
    (HASHED, f"update transaction set effective_at = effective_at - interval '1 day' {SPENT}"),
    (HASHED, f"update transaction set recorded_at = recorded_at + interval '1 second' {SPENT}"),
    (HASHED, f"update transaction set kind = 8 {SPENT}"),
    (HASHED, f"update transaction set source = 'web' {SPENT}"),
    (HASHED, f"update transaction set id = gen_random_uuid() {SPENT}"),
    (HASHED, f"update transaction set definition_id = 2 {SPENT}"),
    (
        "rule 9: holder :one, transaction 4 its facts",
        f"update transaction set reverses = null {OF_ONE} and number = 4",
    ),
    (
        "rule 9: holder :one, transaction 1 its facts",
        f"update lot set valid_to = null, first_valid_to = null {FIRST_LOT}",
    ),
    # values that the books have no word for
    ("rule 9: holder :one can't be read: 99", f"update transaction set kind = 99 {SPENT}"),
    ("rule 9: holder :one can't be read: 99", f"update transfer set credit = 99 {SPENT}"),
    ("rule 1: definition 1, account 99", f"update transfer set credit = 99 {SPENT}"),
    # swapped texts
    (TEXTS, f"update transaction set description = 'Three coffees' {OF_ONE} and number = 1"),
    (TEXTS, f"update transaction set description = actor, actor = description {OF_ONE}"),
    (TEXTS, "update holder set salt = '' where id = :one"),
    (
        "rule 9: holder :one, transaction 3 its texts",
        f"update transaction set idempotency_key = 'another key' {SPENT}",
    ),
    # rows removed and slipped in
    (HASHED, f"delete from transfer {SPENT}"),
    (HASHED, f"delete from allocation {SPENT}"),
    (HASHED, "insert into transfer values (:one, 3, 5, now(), now(), 2, 1, 1, 12)"),
    (
        "rule 9: holder :one, transaction 4 is not number 3: a transaction is missing before it",
        f"delete from transaction {SPENT}",
    ),
    (
        "rule 9: holder :one says its last transaction is 8; the chain ends at 7",
        f"delete from transaction {LAST}",
    ),
    (
        "rule 5: holder :one, transaction 8 is missing, but its idempotency key is kept",
        f"delete from transaction {LAST}",
    ),
    ("rule 9: holder :one, transaction 9", f"update transaction set number = 9 {LAST}"),
    # the chain cut and its head set back: the lots tell
    (
        "rule 3: holder :one, definition 1 lot 1 stores lapsed",
        f"delete from idempotency {LAST}",
        f"delete from transaction {LAST}",
        "update holder set number = number - 1 where id = :one",
        f"update holder set head = (select hash from transaction {SEVENTH}) where id = :one",
    ),
    ("rule 9: holder :one", "update holder set head = '' where id = :one"),
    ("rule 9: holder :one", "update holder set number = number + 1 where id = :one"),
    ("rule 9: holder :one counts 3 lots", "update holder set last_lot = 3 where id = :one"),
    (
        "rule 8: holder :one",
        "update holder set last_recorded_at = '2026-01-01' where id = :one",
    ),
    ("rule 9: holder :one", "delete from holder where id = :one"),
    # buckets that drifted
    (
        "rule 3: holder :one, definition 1 stores available",
        f"update account set available = available + 1 {OF_ONE}",
    ),
    (
        "rule 3: holder :one, definition 1 lot 2 stores remaining",
        f"update account set available = available - 1 {OF_ONE}",
        f"update lot set remaining = remaining - 1 {SECOND_LOT}",
    ),
    ("rule 3: holder :one", f"update account set available = 0, debt = 1 {OF_ONE}"),
    ("rule 3: holder :one", f"update account set last_effective_at = null {OF_ONE}"),
    ("rule 3: holder :one", f"update account set debt_since = last_effective_at {OF_ONE}"),
    (
        "rule 3: holder :one, definition 1 has transactions but no account",
        f"delete from account {OF_ONE}",
    ),
    (
        "rule 4: holder :one, definition 1 would miss what falls due at 2026-06-01",
        f"update account set next_due_at = null {OF_ONE}",
    ),
    (
        "rule 4: holder :one, definition 1 would miss what falls due at 2026-06-01",
        f"update account set next_due_at = next_due_at + interval '1 day' {OF_ONE}",
    ),
    # lots that drifted
    ("lot 2 stores remaining", f"update lot set remaining = remaining - 1 {SECOND_LOT}"),
    ("lot 2 stores lapsed", f"update lot set lapsed = lapsed + 1 {SECOND_LOT}"),
    ("lot 2 stores active", f"update lot set active = not active {SECOND_LOT}"),
    ("lot 2 stores valid_to", f"update lot set valid_to = '2027-01-01' {SECOND_LOT}"),
    ("lot 2 stores valid_from", f"update lot set valid_from = '2025-01-01' {SECOND_LOT}"),
    ("lot 2 stores term", f"update lot set term = 1 {SECOND_LOT}"),
    ("rule 9: holder :one, transaction 2 its facts", f"delete from lot {SECOND_LOT}"),
    (
        "rule 9: holder :one, transaction 1 its facts",
        f"insert into lot select {ANOTHER} from lot as one {FIRST_LOT}",
    ),
    # what a transaction is said to have left and done
    (
        "rule 3: holder :one, transaction 3 left",
        f"update transaction set available_after = available_after + 1 {SPENT}",
    ),
    (
        "rule 3: holder :one, transaction 3 stores another net",
        f"update transaction set net = net - 1 {SPENT}",
    ),
    (
        "rule 3: holder :one, transaction 3 stores another recorded_at",
        f"update transfer set recorded_at = recorded_at - interval '1 day' {SPENT}",
    ),
    (
        "rule 3: holder :one, transaction 3 stores another definition_id",
        f"update transfer set definition_id = 2 {SPENT}",
    ),
    # forged roll-ups: of one account, of both sides, and between two program accounts
    ("rule 1: tenant shop, definition 1", FORGED.format(account=11, amount=-100)),
    (
        "rule 1: definition 1, available",
        FORGED.format(account=11, amount=-100),
        FORGED.format(account=1, amount=100),
    ),
    (
        "rule 1: definition 1, issued",
        FORGED.format(account=11, amount=-100),
        FORGED.format(account=12, amount=100),
    ),
    ("rule 1: tenant shop, definition 1", "delete from rollup where account = 12"),
    # keys
    ("rule 5: idempotency", f"delete from idempotency {SPENT}"),
    ("rule 5: holder :one, transaction 5", f"update idempotency set number = 5 {SPENT}"),
    (
        "rule 5: holder :one, transaction 3",
        f"update idempotency set key_hash = gen_random_uuid() {SPENT}",
    ),
]


@pytest.fixture
async def kept(desk: Desk) -> Desk:
    """Books with something of everything, all of it right."""
    desk.today("1 January")
    await desk.book(
        desk.till.earn(ONE, "100 until 1 March", key="purchase", description="Two coffees"),
        desk.till.earn(ONE, "50 from 15 January until 1 June"),
        desk.till.redeem(ONE, 30),
        desk.till.earn(TWO, 10),
        desk.till.redeem(THREE, 5, allow_debt=True),
    )
    desk.today("2 January")
    await desk.book(desk.till.give_back(ONE, 20, of="purchase"), desk.till.adjust(ONE, -1))
    desk.today("5 March")
    await desk.book(desk.till.redeem(ONE, 20, on="20 February"))
    return desk


def of(holder: HolderId, statement: str) -> str:
    """A statement about this holder, its tables found in the books' schema."""
    named = statement.replace(":one", f"'{holder}'")
    return re.sub(rf"\b(from|update|into) ({'|'.join(TABLES)})\b", r"\1 ledger.\2", named)


async def test_right_books_have_no_finding(kept: Desk) -> None:
    assert await kept.findings() == []
    kinds = [one.kind.word for one in await kept.history(ONE)]
    assert kinds == [
        "earn", "earn", "redeem", "return", "adjust", "activation", "expiry", "redeem",
    ]  # fmt: skip


async def test_every_tampering_is_found_and_named(kept: Desk, superuser: Connection) -> None:
    one = await kept.holder_of(ONE)
    for table in TABLES:
        await superuser.execute(f"create temporary table kept_{table} as table ledger.{table}")
    # Whoever can change facts can take away what checks them, too.
    for table, column in (("transaction", "kind"), ("transfer", "credit")):
        check = f"{table}_{column}_check"
        await superuser.execute(f"alter table ledger.{table} drop constraint {check}")
    missed = []
    for finding, *statements in TAMPERINGS:
        for statement in statements:
            await superuser.execute(of(one, statement))
        found = await kept.findings()
        if not any(finding.replace(":one", str(one)) in sentence for sentence in found):
            missed.append((statements, found[:3]))
        for table in TABLES:
            await superuser.execute(f"delete from ledger.{table}")
            await superuser.execute(f"insert into ledger.{table} table kept_{table}")
    assert missed == [], "\n".join(str(one) for one in missed)
    assert await kept.findings() == []


async def test_what_went_astray_is_named_where_it_did_and_not_ever_after(
    kept: Desk, superuser: Connection
) -> None:
    one = await kept.holder_of(ONE)
    for number, more in ((3, 1), (7, 2)):
        await superuser.execute(
            "update ledger.transfer set amount = amount + $3 where holder_id = $1 and number = $2",
            one,
            number,
            more,
        )
    left = [said for said in await kept.findings() if " left " in said and "can't be" not in said]
    assert [said.partition(" left ")[0] for said in left] == [
        f"rule 3: holder {one}, transaction 3",
        f"rule 3: holder {one}, transaction 7",
    ]


@pytest.mark.parametrize(
    "sleep",
    [
        "alter table ledger.transfer disable trigger facts_stay",
        "alter table ledger.transfer enable replica trigger facts_stay",
        "alter table ledger.transfer disable trigger all",
        "drop trigger facts_stay_all on ledger.transfer",
    ],
)
async def test_a_guard_put_to_sleep_is_found(desk: Desk, sleep: str) -> None:
    owner = await connect(desk.database.dsn_owner)
    await owner.execute(sleep)
    await owner.close()
    assert await desk.findings() == [
        "rule 2: table transfer has lost a trigger that refuses changes"
    ]


async def test_a_role_that_could_remove_facts_is_warned_of(desk: Desk) -> None:
    owner = await connect(desk.database.dsn_owner)
    found = await invariants.check(owner, desk.catalogue)
    await owner.close()
    assert {one.is_warning for one in found} == {True}
    assert {one.rule for one in found} == {2}
    assert len(found) == len(invariants.FACTS)


async def test_several_connections_find_what_one_finds(kept: Desk, superuser: Connection) -> None:
    one = await kept.holder_of(ONE)
    for tampering in (
        f"update idempotency set number = 5 {SPENT}",
        f"update idempotency set key_hash = gen_random_uuid() {SEVENTH.replace('7', '1')}",
        FORGED.format(account=11, amount=1),
    ):
        await superuser.execute(of(one, tampering))
    pool = kept.pool
    async with pool.acquire() as first, pool.acquire() as second, pool.acquire() as third:
        alone = await invariants.check_whole(first, kept.catalogue)
        together = await invariants.check_whole(first, kept.catalogue, beside=[second, third])
    assert sorted(map(str, together)) == sorted(map(str, alone))
    assert {finding.rule for finding in alone} == {1, 5}


async def test_erased_texts_and_salt_leave_books_that_are_right(kept: Desk) -> None:
    service = await connect(kept.database.dsn_service)
    one = await kept.holder_of(ONE)
    await service.execute(
        "update ledger.transaction set idempotency_key = null, description = null,"
        " reference = null, actor = null where holder_id = $1",
        one,
    )
    await service.execute("update ledger.holder set salt = null where id = $1", one)
    await service.execute("delete from ledger.contact where holder_id = $1", one)
    await service.close()
    assert await kept.findings() == []


async def test_progress_is_told_by_transactions(kept: Desk) -> None:
    told: list[tuple[int, int]] = []
    async with kept.pool.acquire() as connection:
        found = await invariants.check(
            connection, kept.catalogue, progress=lambda done, total: told.append((done, total))
        )
    assert found == []
    assert told[-1] == (10, 10)


async def test_one_tenants_holders_are_looked_at_alone(kept: Desk, superuser: Connection) -> None:
    async with opened(kept.database, shop("other"), today="6 March") as other:
        await other.book(other.till.earn(ONE, 10))
        theirs = await other.holder_of(ONE)
        await superuser.execute(
            of(theirs, "update account set available = 11 where holder_id = :one")
        )
        told: list[tuple[int, int]] = []
        for desk in (kept, other):
            looking = invariants.check_holders(
                superuser,
                tenant=desk.tenant,
                progress=lambda done, total: told.append((done, total)),
            )
            places = [finding.place async for finding in looking]
            assert places == ([f"holder {theirs}, definition 2"] if desk is other else [])
        assert told == [(10, 10), (1, 1)]

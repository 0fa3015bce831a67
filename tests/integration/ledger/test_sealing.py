"""Seals of stored books: what comes later does not matter, what was sealed can't be rewritten."""

from ledger.chain import GENESIS, chain_hash
from ledger.connection import Connection
from ledger.history import recorded_of
from ledger.invariants import check_holders
from ledger.sealing import check_seal, make_seal
from tests.bookkeeping.desk import Desk, member

CONTACTS = [member(1001), member(1002), member(1003)]


async def booked(desk: Desk) -> None:
    await desk.book(*[desk.till.earn(contact, 100) for contact in CONTACTS])
    desk.today("2 January")
    await desk.book(*[desk.till.redeem(contact, 10) for contact in CONTACTS])
    desk.today("3 January")


async def test_what_is_booked_after_a_seal_leaves_it_whole(desk: Desk) -> None:
    await booked(desk)
    async with desk.pool.acquire() as connection:
        seal = await make_seal(connection, now=desk.at)
        assert (seal.holders, seal.transactions) == (3, 6)
        desk.today("4 January")
        await desk.book(
            desk.till.earn(CONTACTS[0], 5),
            desk.till.redeem(CONTACTS[1], 5, on="2 January"),
            desk.till.earn(member(1004), 5),
        )
        await desk.sweep()
        assert await check_seal(connection, seal) == []
        kept = await connection.fetchrow("select * from ledger.seal")
        assert kept is not None
        assert kept["root"].hex() == seal.root
        later = await make_seal(connection, now=desk.at)
        assert later.root != seal.root


async def test_a_chain_rewritten_without_a_flaw_is_found_by_the_seal_alone(
    desk: Desk, superuser: Connection
) -> None:
    """Whoever owns the database can compute the chain anew; not so that it fits the seal."""
    await booked(desk)
    async with desk.pool.acquire() as connection:
        plain = await make_seal(connection, now=desk.at)
        desk.today("5 January")
        named = await make_seal(connection, with_heads=True, now=desk.at)
        holder = await desk.holder_of(CONTACTS[1])
        await rewrite(superuser, connection, desk)
        assert [finding async for finding in check_holders(connection)] == []
        [finding] = await check_seal(connection, named)
        assert (finding.rule, finding.place) == (9, f"holder {holder}")
        [finding] = await check_seal(connection, plain)
        assert finding.place == f"holders {holder.bytes[0]:02x}…"


async def rewrite(superuser: Connection, connection: Connection, desk: Desk) -> None:
    """Give the second member's last redemption another source, and the chain its new hash."""
    holder = await desk.holder_of(CONTACTS[1])
    await superuser.execute(
        "update ledger.transaction set source = 'forged' where holder_id = $1 and number = 2",
        holder,
    )
    previous = GENESIS
    for recorded in (await recorded_of(connection, [holder]))[holder]:
        told = recorded.transaction
        previous = chain_hash(told, recorded.texts_hash, previous)
        await superuser.execute(
            "update ledger.transaction set hash = $3 where holder_id = $1 and number = $2",
            holder,
            told.number,
            previous,
        )
    await superuser.execute("update ledger.holder set head = $2 where id = $1", holder, previous)


async def test_a_chain_that_was_cut_is_found(desk: Desk, superuser: Connection) -> None:
    await booked(desk)
    holder = await desk.holder_of(CONTACTS[2])
    async with desk.pool.acquire() as connection:
        seal = await make_seal(connection, with_heads=True, now=desk.at)
        for table in ("transaction", "transfer", "allocation"):
            await superuser.execute(
                f"delete from ledger.{table} where holder_id = $1 and number = 2", holder
            )
        [finding] = await check_seal(connection, seal)
        assert finding.place == f"holder {holder}"
        assert "ends at 1" in finding.message
        await superuser.execute("delete from ledger.holder where id = $1", holder)
        [finding] = await check_seal(connection, seal)
        assert "now none" in finding.message


async def test_an_audit_ends_and_begins_where_it_is_told_to(desk: Desk) -> None:
    await booked(desk)
    seen: list[object] = []
    async with desk.pool.acquire() as connection:

        def one_chunk(holder: object) -> bool:
            seen.append(holder)
            return False

        assert [one async for one in check_holders(connection, reached=one_chunk)] == []
        counts: list[tuple[int, int]] = []
        after = min([await desk.holder_of(contact) for contact in CONTACTS])
        auditing = check_holders(
            connection, after=after, progress=lambda *count: counts.append(count)
        )
        assert [one async for one in auditing] == []
    assert seen == [max([await desk.holder_of(contact) for contact in CONTACTS])]
    assert counts == [(4, 4)]

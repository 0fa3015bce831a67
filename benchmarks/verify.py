"""Verifying all there is: every chain, balance, lot, hold, key and roll-up computed again.

Control: the same rows copied out of the database, table by table, and thrown away: whoever looks at
them elsewhere would have to begin so. It has one connection, verifying two, as the command has.
"""

from time import perf_counter
from typing import Final

from benchmarks.filling import EACH, filled
from benchmarks.ground import Ground, open_books, open_pool
from benchmarks.memory import Memory
from benchmarks.processor import Processor
from benchmarks.result import Result, Rounds
from ledger.connection import Connection, Pool
from ledger.invariants import check_holders, check_whole
from ledger.tenants import Catalogue

GOAL: Final = 0.50

CONNECTIONS: Final = 2

TABLES: Final = (
    "holder",
    "account",
    "transaction",
    "transfer",
    "allocation",
    "lot",
    "term",
    "hold",
    "idempotency",
    "rollup",
)


class WrongBooksError(RuntimeError):
    """The books that were to be verified are wrong."""


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts = ground.size(50_000, 2_000)
    database = await filled(ground, contacts)
    transactions = contacts * EACH
    rounds, memory, used = Rounds(), Memory(), []
    async with open_books(database, connections=1) as books:
        catalogue = books.catalogue
    async with open_pool(database, CONNECTIONS) as pool:
        async with pool.acquire() as connection:
            await copy_out(connection)
        for _ in range(ground.rounds):
            before = await Processor.now(pool)
            async with memory.watched():
                seconds = await _verify(pool, catalogue)
            used.append((await Processor.now(pool)).since(before))
            async with pool.acquire() as connection:
                seconds_copying = await copy_out(connection)
            rounds.add(transactions / seconds, transactions / seconds_copying)
            ground.say(f"verified in {seconds:.1f} s, copied out in {seconds_copying:.1f} s")
    own, server = (
        sorted(1_000_000 * figure / transactions for figure in figures)[len(used) // 2]
        for figures in zip(*((one.own, one.server) for one in used), strict=True)
    )
    return [
        rounds.result(
            f"verify {transactions:,} transactions, against copying the same rows out",
            "transactions/s",
            bound=GOAL,
            keys=f"{contacts:,} contacts, {EACH} transactions each",
            load=f"{CONNECTIONS} connections, the control one",
            notes=(
                memory.note,
                f"processor time a transaction: {own:.1f} us Python and {server:.1f} us PostgreSQL",
            ),
        )
    ]


async def _verify(pool: Pool, catalogue: Catalogue) -> float:
    started = perf_counter()
    async with pool.acquire() as one, pool.acquire() as other:
        looking = check_holders(one, beside=[other])
        findings = [finding async for finding in looking]
        findings += await check_whole(one, catalogue, beside=[other])
    seconds = perf_counter() - started
    if any(not finding.is_warning for finding in findings):
        raise WrongBooksError(str(findings[:3]))
    return seconds


async def copy_out(connection: Connection) -> float:
    """Copy every row of the books out and throw it away; the seconds it took."""
    started = perf_counter()
    for table in TABLES:
        await connection.copy_from_table(table, schema_name="ledger", output=_throw_away)
    return perf_counter() - started


async def _throw_away(_: bytes) -> None:
    """What a control does with what it reads."""

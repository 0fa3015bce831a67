"""A batch leaves the same rows however many it writes: together, or table by table in streams."""

from collections.abc import Sequence

from ledger.identity import ContactId
from ledger.outbox import Consumer, Outbox
from ledger.policies import Policy, Span, Validity
from ledger.postgres import Database
from ledger.posting import Books
from ledger.requests import Request
from ledger.writing import TOGETHER_MAX
from tests.bookkeeping.desk import Desk, member, opened, shop

MANY = TOGETHER_MAX + 8
COLUMNS = {
    "transaction": "kind, number, amount, net, effective_at, available_after, source, description",
    "transfer": "number, line, debit, credit, amount, effective_at",
    "allocation": "number, line, place, lot, amount",
    "lot": "lot, line, number, issued, remaining, lapsed, active, valid_from, valid_to, term",
    "account": "definition_id, available, pending, held, debt, last_effective_at, next_due_at",
    "outbox": "consumer, definition_id, number",
}


def purchases(desk: Desk, members: Sequence[ContactId]) -> list[Request]:
    return [desk.till.earn_by_policy(one, 100) for one in members]


def spendings(desk: Desk, members: Sequence[ContactId]) -> list[Request]:
    return [desk.till.redeem(one, 30) for one in members]


async def rows(desk: Desk, members: Sequence[ContactId]) -> dict[str, list[tuple[object, ...]]]:
    """What the books hold of these members, apart from names and hashes."""
    holders = [await desk.holder_of(one) for one in members]
    return {
        table: [
            tuple(row)
            for row in await desk.pool.fetch(
                f"select {columns} from ledger.{table} "
                f"where holder_id = any($1) order by {columns}",
                holders,
            )
        ]
        for table, columns in COLUMNS.items()
    }


async def test_many_rows_are_stored_as_few_are(database: Database) -> None:
    policy = Policy(validity=Validity(span=Span.MONTHS, length=12))
    async with opened(database, shop(policy=policy)) as desk:
        outbox = Outbox({desk.definition: (Consumer(1, per_account=False),)})
        desk.books = Books(desk.pool, desk.catalogue, outbox=outbox, clock=desk.clock)
        together = [member(one) for one in range(MANY)]
        one_by_one = [member(MANY + one) for one in range(MANY)]
        for asked in (purchases, spendings):
            await desk.book(*asked(desk, together))
            for one in one_by_one:
                await desk.book(*asked(desk, [one]))
        many = await rows(desk, together)
        assert {table: len(found) for table, found in many.items()} == {
            "transaction": 2 * MANY,
            "transfer": 2 * MANY,
            "allocation": MANY,
            "lot": MANY,
            "account": MANY,
            "outbox": 2 * MANY,
        }
        assert await rows(desk, one_by_one) == many
        assert await desk.findings() == []

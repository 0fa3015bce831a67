"""A till in a process of its own, to be killed: posts the same numbered requests in every life.

`python -m tests.bookkeeping.poster DSN COUNT` posts requests 0 to COUNT - 1 to the tenant `shop` in
batches and prints the last number of each batch once it is booked. A killed one is started again
with the same arguments; keys make that harmless.
"""

import asyncio
import sys

import asyncpg

from ledger.outcomes import Refused
from ledger.posting import Books
from ledger.requests import Request
from ledger.tenants import load_catalogue
from tests.bookkeeping.asking import Till
from tests.bookkeeping.desk import member

BATCH = 21  # whole threes: what is spent was earned before, whichever batch comes first
MEMBERS = 7


def request(till: Till, number: int) -> Request:
    """The request of a number: every third spends what the two before it brought."""
    contact = member(number // 3 % MEMBERS)
    if number % 3 == 2:
        return till.redeem(contact, 15, key=f"order {number}")
    return till.earn(contact, 10, key=f"order {number}")


async def post(dsn: str, count: int) -> None:
    """Post everything from the beginning, whatever an earlier life has booked."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        async with pool.acquire() as connection:
            catalogue = await load_catalogue(connection)
        tenant = catalogue.tenants["shop"].id
        definition = catalogue.definition(tenant, 1)
        assert definition is not None
        till, books = Till(tenant, definition.id), Books(pool, catalogue)
        for first in range(0, count, BATCH):
            batch = [request(till, number) for number in range(first, min(first + BATCH, count))]
            outcomes = await books.post(batch)
            assert not any(isinstance(one, Refused) for one in outcomes), outcomes
            sys.stdout.write(f"{first + len(batch) - 1}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(post(sys.argv[1], int(sys.argv[2])))

"""Comparing what Engage has with the books, account by account, with the limits lifted.

Control: the reading that can't be avoided, alone: the same questions to the same stand-in by a bare
client, as many at once. Engage has no list of all balances, so it is one question an account.
"""

import asyncio
from time import perf_counter, process_time
from typing import Final

import httpx

from benchmarks.engage_push import (
    AT_ONCE,
    CONNECTIONS,
    HEADERS,
    LIFTED,
    WAIT_SECONDS_MAX,
    follower_of,
    stand_in,
)
from benchmarks.filling import contact, filled
from benchmarks.ground import Ground, open_books
from benchmarks.memory import Memory
from benchmarks.processor import Processor
from benchmarks.result import Result, Rounds
from sandbox.launch import Launched
from sync.engage.drift.options import DriftOptions

GOAL: Final = 0.50
PATH: Final = "/api/v3/point-accounts"


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    accounts = ground.size(20_000, 1_000)
    template = await filled(ground, accounts, 1)
    rounds, memory, used = Rounds(), Memory(), []
    lifted = DriftOptions(per_second=LIFTED, share_accounts=accounts)
    async with (
        ground.database(template) as database,
        open_books(database, connections=CONNECTIONS) as books,
    ):
        with stand_in() as engage:
            async with follower_of(books, engage, LIFTED, drift=lifted) as follower:
                await follower.push_everything()
                await follower.sync(wait_seconds=WAIT_SECONDS_MAX)
                for number in range(ground.rounds + 1):
                    before = await Processor.now(books.pool)
                    started = perf_counter()
                    async with memory.watched():
                        report = await follower.compare()
                    seconds = perf_counter() - started
                    processor = (await Processor.now(books.pool)).since(before)
                    if report.agreed != accounts or report.trouble:
                        raise RuntimeError(f"not everything agreed: {report}")
                    began = process_time()
                    alone = await _alone(engage, accounts)
                    bare = process_time() - began
                    if number:
                        rounds.add(accounts / seconds, accounts / alone)
                        used.append((processor.own, processor.server, bare))
                        ground.say(f"compared in {seconds:.1f} s, only read in {alone:.1f} s")
    own, server, bare_us = (
        1_000_000 * sorted(one)[len(one) // 2] / accounts for one in zip(*used, strict=True)
    )
    return [
        rounds.result(
            f"comparing {accounts:,} balances with Engage's, against reading Engage's alone",
            "accounts/s",
            bound=GOAL,
            keys="every account once, longest not compared first",
            load=f"{AT_ONCE} questions at once, rate lifted",
            notes=(
                memory.note,
                f"processor time an account: {own:.0f} us Python, {server:.0f} us PostgreSQL",
                f"only reading: {bare_us:.0f} us Python",
            ),
        )
    ]


async def _alone(engage: Launched, accounts: int) -> float:
    """How long a bare client takes to ask for every contact."""
    numbers = iter(range(1, accounts + 1))
    started = perf_counter()
    async with httpx.AsyncClient(base_url=engage.address, headers=HEADERS) as http:

        async def read() -> None:
            for number in numbers:
                answer = await http.get(PATH, params={"contactId": str(contact(number))})
                answer.raise_for_status()

        await asyncio.gather(*(read() for _ in range(AT_ONCE)))
    return perf_counter() - started

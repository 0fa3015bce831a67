"""Telling Engage the totals of many accounts that changed, until it has confirmed them all.

Control: a bare client posts the very bodies that were stored and asks for their states, several at
once over kept connections; no database, no rate. A second question is whether the documented rate
is held, and used, when it is on: it is asked of fewer requests, as they take what they take.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Final

import httpx
import msgspec

from benchmarks.filling import filled
from benchmarks.ground import TENANT, Ground, open_books
from benchmarks.processor import Processor, seconds_of
from benchmarks.result import Result, Rounds
from ledger.posting import Books
from sandbox.launch import Launched, launched
from sync.engage import EngageOptions, EngageSecrets, EngageSettings, Follower
from sync.secret import Secret

GOAL: Final = 0.70
RATE: Final = 49.0
RATE_GOAL: Final = 0.95
RATE_OVER_MAX: Final = 1.01
"""The first request needs no waiting; beyond that, none may come too early."""

REQUESTS: Final = 300
"""By which it is seen whether the rate is held."""

CONNECTIONS: Final = 10
AT_ONCE: Final = 8
"""Requests under way at a time, ours and the control's."""

LIFTED: Final = 1_000_000.0
KEY: Final = "sandbox-key"
HEADERS: Final = {"apikey": KEY, "User-Agent": "Benchmark/1.0", "Content-Type": "application/json"}
PATH: Final = "/api/v3/point-accounts/balances"
WAIT_SECONDS_MAX: Final = 3600.0


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    accounts = ground.size(200_000, 10_000)
    template = await filled(ground, accounts, 1)
    rounds, used = Rounds(), []
    async with (
        ground.database(template) as database,
        open_books(database, connections=CONNECTIONS) as declared,
    ):
        with stand_in() as engage:
            async with follower_of(declared, engage, LIFTED) as follower:
                for number in range(ground.rounds + 1):
                    await ground.checkpoint()
                    await follower.push_everything()
                    seconds, processor = await _pushed(declared, follower)
                    bodies = await _bodies(declared, accounts)
                    own = seconds_of(engage.process.pid)
                    alone = await _alone(engage, bodies)
                    if number:
                        rounds.add(accounts / seconds, accounts / alone)
                        theirs = seconds_of(engage.process.pid) - own
                        used.append((processor.own, processor.server, theirs))
                        ground.say(f"pushed in {seconds:.1f} s, the bare client in {alone:.1f} s")
        held = await _held(declared, accounts)
    own, server, theirs = (
        1_000_000 * sorted(one)[len(one) // 2] / accounts for one in zip(*used, strict=True)
    )
    return [
        rounds.result(
            f"pushing {accounts:,} changed balances, against the same bodies by a bare client",
            "accounts/s",
            bound=GOAL,
            keys="every account once, a thousand a request",
            load=f"{AT_ONCE} requests at once, rate lifted, confirmed by their states",
            notes=(
                f"processor time an account: {own:.0f} us Python, {server:.0f} us PostgreSQL",
                f"the stand-in needs {theirs:.0f} us for the bare client's",
            ),
        ),
        held,
    ]


@contextmanager
def stand_in() -> Iterator[Launched]:
    """An Engage without limits, whose job runs at once."""
    settings = {
        "balances.jobSeconds": 0.05,
        "rate.requestsPerSecondMax": None,
        "rate.courtesyRequestsPerSecond": 0,
        "unknownContact": "create",
        "journal.requestsMax": 0,
        "journal.bodyBytesMax": 0,
    }
    words = [
        word
        for name, value in settings.items()
        for word in ("--set", f"{name}={msgspec.json.encode(value).decode()}")
    ]
    with launched("engage", *words) as engage:
        yield engage


def follower_of(books: Books, engage: Launched, rate: float, **options: object) -> Follower:
    """The tenant's Engage at this address."""
    given = EngageOptions(
        base_url=engage.address,
        rate_per_second=rate,
        requests_at_once=AT_ONCE,
        poll_seconds=(0.05, 0.1, 0.2),
        **options,  # type: ignore[arg-type]  # whatever a question needs
    )
    settings = EngageSettings(options=given, secrets=EngageSecrets(api_key=Secret(KEY)))
    return Follower(books.catalogue.tenants[TENANT], settings, books)


async def _pushed(books: Books, follower: Follower) -> tuple[float, Processor]:
    before = await Processor.now(books.pool)
    started = perf_counter()
    report = await follower.sync(wait_seconds=WAIT_SECONDS_MAX)
    seconds = perf_counter() - started
    if not report.is_complete or report.poll.failed:
        raise RuntimeError(f"not everything was taken: {report}")
    return seconds, (await Processor.now(books.pool)).since(before)


async def _bodies(books: Books, accounts: int) -> list[bytes]:
    """What was just sent, and nothing of it is kept for the next round."""
    rows = await books.pool.fetch(
        "select body from engage.batch order by id desc limit $1", -(-accounts // 1000)
    )
    await books.pool.execute("update engage.batch set body = null where body is not null")
    return [row["body"] for row in rows]


async def _alone(engage: Launched, bodies: Sequence[bytes]) -> float:
    """How long a bare client takes for the same: post all, then ask until all states are final."""
    ids: list[str] = []
    started = perf_counter()
    async with httpx.AsyncClient(base_url=engage.address, headers=HEADERS) as http:
        pending = iter(bodies)

        async def post() -> None:
            for body in pending:
                answer = await http.post(PATH, content=body)
                ids.append(answer.json())

        await asyncio.gather(*(post() for _ in range(AT_ONCE)))
        left = iter(list(ids))

        async def poll() -> None:
            for identifier in left:
                while True:
                    answer = await http.get(f"{PATH}/status/{identifier}")
                    if answer.json()["status"] == "Completed":
                        break
                    await asyncio.sleep(0.05)

        await asyncio.gather(*(poll() for _ in range(AT_ONCE)))
    if len(ids) != len(bodies):
        raise RuntimeError("not every body was taken")
    return perf_counter() - started


async def _held(declared: Books, accounts: int) -> Result:
    """Whether the rate is used, and no more than that, where it is on: smaller requests, pushed."""
    rounds = Rounds()
    rows = max(1, min(1000, accounts // REQUESTS))
    with stand_in() as engage:
        async with follower_of(declared, engage, RATE, batch_rows_max=rows) as follower:
            for _ in range(2):
                await follower.push_everything()
                started = perf_counter()
                report = await follower.push()
                rounds.add(report.sent / (perf_counter() - started), RATE)
                await follower.sync(wait_seconds=WAIT_SECONDS_MAX)
    if max(rounds.figures) > RATE * RATE_OVER_MAX:
        raise RuntimeError(f"faster than allowed: {max(rounds.figures):.1f} requests a second")
    return rounds.result(
        f"the same with the limit on: {RATE:g} requests a second, held and used",
        "requests/s",
        bound=RATE_GOAL,
        load=f"{rows} accounts a request",
    )

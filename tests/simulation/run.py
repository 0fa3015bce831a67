"""The simulation: clerks post a seeded history to stored books and die, and so does the server.

`python -m tests.simulation.run --seed 7 --steps 2000` draws the history, the batches, when the
clock moves and at which statement whom lightning strikes from the seed alone; only how the clerks'
work interleaves is the machine's. After each round of work everything that was booked is put in an
order that no holder contradicts and told to the model: what was answered is booked, once, and books
and model agree on every account, on both time axes. The last line is a summary.
"""

import asyncio
import contextlib
import random
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
import click

from ledger.facts import Transaction
from ledger.history import recorded_of
from ledger.identity import HolderId
from ledger.outcomes import Booked, Outcome, Refused, Replayed
from ledger.postgres import Profile, Server, connect, start
from ledger.posting import Books
from ledger.requests import Request
from migrations.upgrade import migrate
from tests.simulation.comparing import DifferenceError, agree, compare_transaction
from tests.simulation.history import CONTACTS, words
from tests.simulation.order import one_after_the_other
from tests.simulation.staff import Batch, Clerk, Work, kill_server_after
from tests.simulation.stored import Proof, declare_shop, drawn_steps
from tests.simulation.story import ACTIONS, DAY, Scene, Storyteller, scenes

MIX: Final = (*ACTIONS, *["earn"] * 20, *["hold"] * 5)
"""Clerks don't wait to hear what was refused, so more has to succeed for much to refer to."""

STEPS_A_ROUND: Final = 24
CLERKS: Final = 3
DEATH_SHARE: Final = 0.25
"""Of a clerk's rounds, how many it does not survive the first time."""

DEATH_STEP_MAX: Final = 60
SERVER_DEATH_SHARE: Final = 0.08
SERVER_DEATH_SECONDS_MAX: Final = 0.25
VERIFY_EVERY_ROUNDS: Final = 10
RECOVERY_SECONDS_MAX: Final = 60.0


@dataclass
class Summary:
    """What a simulation went through."""

    seed: int
    steps: int = 0
    transactions: int = 0
    clerk_deaths: int = 0
    server_deaths: int = 0
    refused: int = 0

    def __str__(self) -> str:
        crashes = self.clerk_deaths + self.server_deaths
        return (
            f"seed {self.seed}: {self.steps:,} steps, {crashes} crashes "
            f"({self.server_deaths} of PostgreSQL), {self.transactions:,} transactions, "
            f"{self.refused:,} refused, books and model agree, verify clean"
        )


class Simulation:
    """One seeded run, from an empty database to the last proof."""

    def __init__(self, server: Server, seed: int, steps: int, *, clerks: int = CLERKS) -> None:
        self.server = server
        self.draw = random.Random(seed)
        self.steps = drawn_steps(self.draw, steps, MIX)
        self.summary = Summary(seed)
        self.clerk_count = clerks
        self.asked: Counter[str] = Counter()
        self.told: set[UUID] = set()

    async def run(self) -> Summary:
        """Live through everything; raises `DifferenceError` where anything is not as it must be."""
        policies = [self.draw.randrange(4) for _ in range(3)]
        async with asyncpg.create_pool(self.server.dsn_service, min_size=0, max_size=2) as pool:
            async with pool.acquire() as connection:
                catalogue = await declare_shop(connection, policies)
            self.proof = Proof(pool, catalogue)
            kinds = [one.id for one in catalogue.definitions_of(self.proof.tenant)]
            self.teller = Storyteller(self.proof.tenant, CONTACTS, kinds, knows_outcomes=False)
            self.books = Books(pool, catalogue, clock=lambda: self.teller.now)
            with contextlib.ExitStack() as staff:
                self.clerks = [
                    staff.enter_context(Clerk(self.server.dsn_service))
                    for _ in range(self.clerk_count)
                ]
                for number, first in enumerate(range(0, len(self.steps), STEPS_A_ROUND)):
                    await self.live(scenes(self.steps[first : first + STEPS_A_ROUND]))
                    if number % VERIFY_EVERY_ROUNDS == 0:
                        await self.proof.verify()
            await self.proof.verify()
        return self.summary

    async def live(self, told: list[Scene]) -> None:
        """One round: some time passes, everybody works at once, and what came of it is proven."""
        self.teller.pass_time(told[0].hours)
        now = self.teller.now
        self.proof.instants.append(now + timedelta(seconds=0.5))
        for scene in told:
            if scene.closing is not None:
                await self.close(scene.closing)
        batches = [
            Batch(
                tuple(self.teller.tell(step).request for step in scene.steps),
                scene.atomic,
                scene.sweep,
            )
            for scene in told
            if scene.steps
        ]
        self.summary.steps += sum(len(batch.requests) for batch in batches)
        self.asked.update(one.idempotency_key for batch in batches for one in batch.requests)
        outcomes = await asyncio.to_thread(self.post, batches)
        await self.settle(batches, outcomes)
        await self.proof.compare_everything(self.draw)

    def post(self, batches: Sequence[Batch]) -> list[list[Outcome]]:
        """Have all batches posted, by all clerks at once, whoever dies of it."""
        works = []
        for number in range(len(self.clerks)):
            dies = self.draw.random() < DEATH_SHARE
            dies_at = self.draw.randint(1, DEATH_STEP_MAX) if dies else None
            share = tuple(batches[number :: len(self.clerks)])
            works.append(Work(self.teller.now, share, dies_at))
        lightning = None
        if self.draw.random() < SERVER_DEATH_SHARE:
            delay_seconds = self.draw.random() * SERVER_DEATH_SECONDS_MAX
            lightning = kill_server_after(self.server, delay_seconds)
            self.summary.server_deaths += 1
        with ThreadPoolExecutor(len(works)) as threads:
            done = list(threads.map(Clerk.work, self.clerks, works))
        if lightning is not None:
            lightning.join()
            wait_for(self.server)
        self.summary.clerk_deaths = sum(clerk.deaths for clerk in self.clerks)
        outcomes: list[list[Outcome]] = [[] for _ in batches]
        for number, one in enumerate(done):
            outcomes[number :: len(self.clerks)] = one.outcomes
        return outcomes

    async def close(self, days: int) -> None:
        """Close the books up to some midnight, if that goes beyond what is closed."""
        midnight = self.teller.now.replace(hour=0, minute=0, second=0, microsecond=0)
        boundary = midnight - days * DAY
        if boundary > self.proof.model.closed_until:
            await self.books.close_period(self.proof.tenant, boundary)
            self.proof.model.closed_until = boundary

    async def settle(self, batches: Sequence[Batch], outcomes: Sequence[list[Outcome]]) -> None:
        """Hold that what was answered is what is booked, and tell the model in order."""
        booked = {one.id: one for one in await self.transactions() if one.id not in self.told}
        self.told |= set(booked)
        self.summary.transactions += len(booked)
        by_key = {one.texts.idempotency_key: one for one in booked.values()}
        requests: dict[str, Request] = {}
        for batch, answers in zip(batches, outcomes, strict=True):
            check_atomic(batch, answers)
            for request, outcome in zip(batch.requests, answers, strict=True):
                key = request.idempotency_key
                if not isinstance(outcome, Refused):
                    requests.setdefault(key, request)
                    check_answered(request, outcome, by_key.get(key), self.proof)
                    continue
                self.summary.refused += 1
                if self.asked[key] == 1 and key in by_key:
                    raise DifferenceError(f"refused and booked: {words(request)}")
        for transaction in one_after_the_other(booked.values()):
            key = transaction.texts.idempotency_key or ""
            if key not in requests:
                raise DifferenceError(f"booked, but nobody was told: {transaction}")
            request = requests[key]
            told = self.proof.model.post(request, self.teller.now)
            if isinstance(told, set):
                raise DifferenceError(f"{words(request)}\n  books: {transaction}\n  model: {told}")
            compare_transaction(request, transaction, told)
            self.proof.model.ids[transaction.id] = told

    async def transactions(self) -> list[Transaction]:
        """All that is booked."""
        async with self.proof.pool.acquire() as connection:
            rows = await connection.fetch("select id from ledger.holder")
            found = await recorded_of(connection, [HolderId(row["id"]) for row in rows])
        return [recorded.transaction for chain in found.values() for recorded in chain]


def check_atomic(batch: Batch, outcomes: Sequence[Outcome]) -> None:
    """Hold that of a batch that asked for all or nothing, nothing was booked beside a refusal."""
    refused = any(isinstance(outcome, Refused) for outcome in outcomes)
    if batch.atomic and refused and any(isinstance(outcome, Booked) for outcome in outcomes):
        raise DifferenceError(f"half of an atomic batch: {outcomes}")


def check_answered(
    request: Request, outcome: Outcome, transaction: Transaction | None, proof: Proof
) -> None:
    """Hold that what was answered as booked, or booked before, stands under its key."""
    if transaction is None:
        if isinstance(outcome, Replayed) and request.idempotency_key in proof.model.keys:
            return
        raise DifferenceError(f"answered and lost: {words(request)}\n  {outcome}")
    if isinstance(outcome, Booked):
        agree(words(request), outcome.transaction, transaction)
    elif isinstance(outcome, Replayed):
        place = (outcome.holder, outcome.number)
        agree(words(request), place, (transaction.holder, transaction.number))


def wait_for(server: Server) -> None:
    """Wait until a killed server is there again."""
    deadline = time.monotonic() + RECOVERY_SECONDS_MAX

    async def look() -> None:
        await (await connect(server.dsn_service)).close()

    while True:
        try:
            asyncio.run(look())
        except (OSError, asyncpg.PostgresError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


async def simulate(server: Server, seed: int, steps: int) -> Summary:
    """Run a simulation on a server with an empty database; says how it can be run again."""
    await migrate(server.dsn_owner)
    simulation = Simulation(server, seed, steps)
    try:
        return await simulation.run()
    except BaseException:
        click.echo(f"seed {seed} failed; again: make simulate SEED={seed} STEPS={steps}", err=True)
        raise


@contextlib.contextmanager
def own_server(folder: Path, major: int) -> Iterator[Server]:
    """A server that can be killed without losing what it has committed.

    The machine stays up, so nothing needs to reach the disk.
    """
    server = start(folder, major=major, profile=Profile.DURABLE)
    try:
        asyncio.run(never_wait_for_disk(server))
        yield server
    finally:
        server.stop()


async def never_wait_for_disk(server: Server) -> None:
    """Let commits reach the kernel, which outlives every process, and not the disk."""
    connection = await connect(server.dsn_superuser)
    await connection.execute("alter system set fsync = off")
    await connection.execute("select pg_reload_conf()")
    await connection.close()


@click.command()
@click.option("--seed", type=int, help="What everything is drawn from; a new one by default.")
@click.option("--steps", type=int, default=2000, show_default=True, help="How many requests.")
@click.option("--major", type=int, default=18, show_default=True, help="Of PostgreSQL.")
def main(seed: int | None, steps: int, major: int) -> None:
    """Post a seeded history, kill whatever can be killed, and compare with the model."""
    seed = secrets.randbelow(1_000_000) if seed is None else seed
    with (
        tempfile.TemporaryDirectory(prefix="pointmaster-simulation-") as folder,
        own_server(Path(folder) / "postgres", major) as server,
    ):
        summary = asyncio.run(simulate(server, seed, steps))
    click.echo(summary)


if __name__ == "__main__":
    main()

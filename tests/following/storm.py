"""A storm over a program and its Engage: `python -m tests.following.storm --seed 7 --rounds 300`.

The one hard idea: all chance comes from one seed and time stands still unless it is moved, so a
storm can be played again. Histories of all kinds are posted, adjustments come and come again, every
fault strikes alone and together, replicas die at any step, sessions are cut, the database server is
killed with -9 and recovers, Engage restarts and forgets. When it is over, nothing may be parked,
the books must be right, the books and Engage must agree to the point, with what is pending, each
message must have been booked once, and nothing may ever have differed; but in storms of even seeds,
in which Engage applies totals later than it may, and comparing mends that.
"""

import argparse
import asyncio
import contextlib
import itertools
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from uuid import uuid4

import asyncpg
import httpx

from ledger import invariants
from ledger.postgres import Server
from ledger.requests import Request
from sandbox.launch import launched
from sync.engage import DeliveryState, EngageSettings, Follower, client
from sync.engage.drift.options import DriftOptions
from sync.engage.settings import Mode
from tests.conftest import create_database, drop_database, ensure_template
from tests.following.histories import CONTACTS, at_one_time, expected, shown
from tests.following.mortal import KilledError, Life, mortal
from tests.following.mutations import Message, Sender
from tests.following.program import (
    ENCRYPTION_KEY,
    SIGNING_SECRET,
    TENANT,
    Now,
    Program,
    Sandbox,
    open_program,
)
from tests.following.watching import ends
from tests.simulation.run import own_server, wait_for
from tests.simulation.staff import kill_server_after
from tests.simulation.story import ACTIONS, RANGES, START, Scene, Step, Storyteller, scenes

BALANCES: Final = "*/point-accounts/balances"
TRANSACTIONS: Final = "*/point-accounts/transactions"
STATUS: Final = "*/balances/status/*"

FAULTS: Final[dict[str, dict[str, Any]]] = {
    "slow-before": {"kind": "slow-before", "milliseconds": 20, "millisecondsMax": 500},
    "slow-after": {"kind": "slow-after", "milliseconds": 20, "millisecondsMax": 500},
    "throttle": {"kind": "throttle"},
    "error-before": {"kind": "error-before", "status": 500},
    "error-after": {"kind": "error-after", "status": 503},
    "drop-before": {"kind": "drop-before"},
    "drop-after": {"kind": "drop-after"},
    "unauthorised": {"kind": "error-before", "status": 401},
    "refused": {"kind": "error-before", "status": 400},
    "too large": {"kind": "error-before", "status": 413},
    "conflict": {"kind": "error-before", "status": 409},
}
"""What befalls any call."""

LATE_FAULTS: Final[dict[str, dict[str, Any]]] = {
    "apply-late": {"kind": "apply-late", "path": BALANCES, "milliseconds": 1000,
                   "millisecondsMax": 3_600_000},
    "status-missing": {"kind": "status-missing", "path": BALANCES, "milliseconds": 60_000},
    "status-unknown": {"kind": "status-unknown", "path": BALANCES, "word": "Indeterminate"},
    "status-stuck": {"kind": "status-stuck", "path": BALANCES},
}  # fmt: skip
"""What befalls totals that Engage has taken."""

PAUSES: Final = (0, 0, 1, 1, 15, 60, 400, 1000, 4000, 30_000, 90_000)
"""Seconds that pass between two rounds."""

LATE_SECONDS: Final = 300
"""Beyond which Engage's job runs in between, in storms in which nothing is applied too late."""

SLOW_SECONDS: Final = 2.0
"""By then a slow Engage has taken in what was sent to it."""

WORK: Final = (
    "push",
    "push now",
    "push now",
    "poll",
    "poll",
    "settle",
    "compare",
    "catch_up",
    "parked",
)

QUICK: Final[dict[str, Any]] = {
    "answer_seconds": 0.25,
    "connect_seconds": 1.0,
    "settle_seconds": 900.0,
    "unknown_status_seconds": 3600.0,
    "status_seconds": 20_000.0,
    "poll_seconds": (1.0, 30.0, 600.0),
    "batch_rows_max": 4,
    "requests_at_once": 3,
    "drift": DriftOptions(per_second=49.9, sample_accounts=0),
}

ROUNDS_OF_CALM_MAX: Final = 80
ROUND_SECONDS_MAX: Final = 60.0
CALM_SECONDS_MAX: Final = 240.0
STEPS_MAX: Final = 150
"""Of a replica's life, where it is cut short; a quiet one lives longer."""

KILL_SHARE: Final = 0.1
"""Of the rounds, in how many the server is killed."""

KILL_SECONDS_MAX: Final = 0.3
"""How far into a round, at the latest."""

LOST: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""How the loss of a session shows."""


@dataclass
class Outcome:
    """What became of a storm; what is wrong is in `wrong`, empty where all is well."""

    seed: int
    mode: Mode
    rounds: int = 0
    posted: int = 0
    messages: int = 0
    repeats: int = 0
    deaths: int = 0
    cuts: int = 0
    kills: int = 0
    posted_again: int = 0
    restarts: int = 0
    calls: int = 0
    calm_rounds: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0
    wrong: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """All of it on one line."""
        struck = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items()))
        verdict = "agrees to the point" if not self.wrong else f"WRONG: {'; '.join(self.wrong)}"
        return (
            f"storm seed={self.seed} mode={self.mode} rounds={self.rounds} posted={self.posted} "
            f"messages={self.messages} repeats={self.repeats} deaths={self.deaths} "
            f"cuts={self.cuts} kills={self.kills} posted_again={self.posted_again} "
            f"restarts={self.restarts} calls={self.calls} faults=[{struck}] "
            f"calm={self.calm_rounds} {self.seconds:.1f}s: {verdict}"
        )


class Storm:
    """One storm, over one program."""

    def __init__(
        self, program: Program, engage: Sandbox, seed: int, server: Server | None = None
    ) -> None:
        """Get ready.

        Args:
            program: Whose books and Engage.
            engage: The stand-in.
            seed: Of all chance.
            server: That of the program's database, to be killed now and then; it must keep what was
                committed and be used by nobody else. Without one none is killed.
        """
        assert program.now is not None
        self.program, self.engage, self.now = program, engage, program.now
        self.chance = random.Random(seed)
        # Of its own, so that a storm is otherwise the same with and without it.
        self.lightning = random.Random(seed)
        self.server = server
        self.is_struck = False
        self.outcome = Outcome(seed, program.mode)
        tenant = program.catalogue.tenants[TENANT].id
        definitions = [one.id for one in program.catalogue.definitions_of(tenant)]
        self.teller = Storyteller(tenant, CONTACTS, definitions)
        self.undelivered: list[Message] = []
        self.delivered: list[Message] = []
        self.sent = 0
        self.applied_late = False
        self.is_slow = False

    async def run(self, rounds: int, faults: list[str] | None = None) -> Outcome:
        """Let it loose, wait until it is over, and judge.

        Args:
            rounds: How long it lasts.
            faults: Only these, all the time; else any, some of the time.
        """
        started = time.perf_counter()
        # Nobody need wait ten real seconds after each 429.
        with patch.object(client, "PAUSE_SECONDS", 0.02):
            self.settings = (await self.program.follower(**QUICK)).context.settings
            self.engage.set(rate={"requestsPerSecondMax": None})
            self.engage.know(*CONTACTS[:-1])
            self.now.instant = START
            at_one_time(self.program, self.engage)
            for number in range(rounds):
                if number == rounds // 2:
                    self.engage.know(CONTACTS[-1])
                await ends(self._round(faults), ROUND_SECONDS_MAX)
                self.outcome.rounds += 1
            self.engage.behave()
            self.engage.know(*CONTACTS)
            await ends(self._calm(), CALM_SECONDS_MAX)
            await self._judge()
        self.outcome.calls = self.engage.get("/requests")["total"]
        self.outcome.seconds = time.perf_counter() - started
        return self.outcome

    async def _round(self, faults: list[str] | None) -> None:
        pause = self.chance.choice(PAUSES)
        if pause > LATE_SECONDS and self.is_slow:
            # What Engage takes its time to take in must not be that late by the storm's clock.
            await asyncio.sleep(SLOW_SECONDS)
        self._pass(pause)
        self._order_faults(faults)
        struck = self._strike()
        await self._post()
        replicas = [self._replica() for _ in range(self.chance.choice((1, 1, 2)))]
        if self.chance.random() < 0.08:
            replicas.append(self._cut())
        await asyncio.gather(*replicas)
        if struck is not None and self.server is not None:
            await asyncio.to_thread(struck.join)
            await asyncio.to_thread(wait_for, self.server)
            self.is_struck = False
        if self.chance.random() < 0.6:
            self.engage.run_job(even_late=self.chance.random() < 0.05)
        if self.chance.random() < 0.03:
            await self._restart()

    def _pass(self, seconds: float) -> None:
        """Let time pass, for the books and for Engage, whose job is late only where it may be."""
        if seconds > LATE_SECONDS and self.outcome.seed % 2:
            self.engage.run_job()
        self.teller.now = self.now.instant = max(self.teller.now, self.now.instant) + timedelta(
            seconds=seconds
        )
        at_one_time(self.program, self.engage)

    def _order_faults(self, only: list[str] | None) -> None:
        known = FAULTS | (LATE_FAULTS if self.program.mode is Mode.BALANCE_ONLY else {})
        if only is None:
            if self.outcome.seed % 2:
                known.pop("apply-late", None)
            number = self.chance.choice((0, 0, 0, 1, 1, 2, 3, len(known)))
            names = self.chance.sample(sorted(known), number)
        else:
            names = only
        rules = []
        for name in names:
            probability = self.chance.choice((0.2, 0.5, 1.0)) if len(names) < 4 else 0.1
            rules.append(known[name] | {"probability": probability})
            self.outcome.faults[name] += 1
            self.applied_late |= name == "apply-late"
        self.is_slow = "slow-before" in names
        self.engage.post("/faults", {"seed": self.chance.getrandbits(30), "rules": rules})

    async def _post(self) -> None:
        """Some transactions at the tills, and some of Engage's own."""
        drawn = [
            Step(
                self.chance.choice(ACTIONS),
                **{name: self.chance.randint(0, last) for name, last in RANGES.items()},
            )
            for _ in range(self.chance.randint(1, 5))
        ]
        for scene in scenes(drawn):
            self.teller.pass_time(min(scene.hours, 24))
            self._pass(0)
            requests = [self.teller.tell(step).request for step in scene.steps]
            await self._at_the_tills(requests, scene)
            self.outcome.posted += len(requests)
        if self.chance.random() < 0.4:
            sender = Sender(TENANT, ENCRYPTION_KEY, SIGNING_SECRET, self.now.instant, self.chance)
            amount = self.chance.choice((1, 7, 40, -3, -60))
            self.undelivered.append(sender.message(self.chance.choice(CONTACTS), amount))
            self.sent += 1

    async def _at_the_tills(self, requests: Sequence[Request], scene: Scene) -> None:
        """Post something: again, and the same, for as long as the server is not there."""
        while True:
            try:
                if scene.sweep:
                    await self.program.books.sweep()
                await self.program.books.post(requests, atomic=scene.atomic)
            except LOST:
                if not self.is_struck:
                    raise
                self.outcome.posted_again += 1
                await asyncio.sleep(0.05)
            else:
                return

    async def _replica(self) -> None:
        """A replica at work, for as long as it lives."""
        dies = self.chance.randrange(1, STEPS_MAX) if self.chance.random() < 0.5 else None
        life = Life(dies)
        work = self.chance.choices(WORK, k=self.chance.randint(2, 5))
        try:
            async with mortal(self.program, self.settings, life) as follower:
                await self._receive(follower)
                for name in work:
                    await self._work(follower, name)
        except (KilledError, BaseExceptionGroup):
            if not life.is_over:
                raise
        except LOST:
            # As the service does: the next time comes anyway.
            if not life.is_over and not self.outcome.cuts and not self.is_struck:
                raise
        self.outcome.deaths += life.is_over

    async def _work(self, follower: Follower, name: str) -> None:
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "push": follower.push,
            "push now": lambda: follower.push(at_once=True),
            "poll": follower.poll,
            "settle": follower.settle,
            "compare": follower.compare,
            "catch_up": follower.catch_up,
            "parked": follower.retry_parked,
        }
        await ways[name]()

    async def _receive(self, follower: Follower) -> None:
        """Deliver what was not, and again what was, as Svix does."""
        repeated = self.chance.sample(self.delivered, min(len(self.delivered), 1))
        for message in [*self.undelivered, *(repeated if self.chance.random() < 0.3 else [])]:
            again = self._signed_now(message)
            receipt = await follower.receive(again.body, again.headers)
            if receipt.status_code != 200:
                self.outcome.wrong.append(f"a message was answered {receipt.status_code}")
            elif message in self.undelivered:
                self.undelivered.remove(message)
                self.delivered.append(message)
            else:
                self.outcome.repeats += 1

    def _signed_now(self, message: Message) -> Message:
        """The message of a new attempt: the same id and bytes, another time."""
        sender = Sender(TENANT, ENCRYPTION_KEY, SIGNING_SECRET, self.now.instant, self.chance)
        return sender.again(message)

    async def _cut(self) -> None:
        """End every session but ours, as when the server is killed and comes back."""
        await asyncio.sleep(self.chance.uniform(0, 0.1))
        self.outcome.cuts += 1
        try:
            await self.program.pool.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where usename = current_user and datname = current_database()"
                " and application_name <> $1 and pid <> pg_backend_pid()",
                self.program.session,
            )
        except LOST:
            # Where all sessions have just ended, there is nothing left to cut.
            if not self.is_struck:
                raise

    def _strike(self) -> threading.Timer | None:
        """Perhaps kill the server with -9, a moment from now; it recovers by itself."""
        if self.server is None or self.lightning.random() >= KILL_SHARE:
            return None
        self.is_struck = True
        self.outcome.kills += 1
        return kill_server_after(self.server, self.lightning.uniform(0, KILL_SECONDS_MAX))

    async def _restart(self) -> None:
        """Engage goes away and comes back, perhaps without what it had taken and not done."""
        queue = self.chance.choice(("keep", "forget"))
        self.engage.post("/restart", {"refuseMilliseconds": 50, "queue": queue})
        self.outcome.restarts += 1
        for _ in range(200):
            await asyncio.sleep(0.02)
            with contextlib.suppress(httpx.HTTPError):
                self.engage.get("/settings")
                break
        at_one_time(self.program, self.engage)

    async def _calm(self) -> None:
        """Time passes and nothing goes wrong any more, until all is told."""
        follower = await self.program.follower(**QUICK)
        for number in range(ROUNDS_OF_CALM_MAX):
            self.outcome.calm_rounds = number
            self._pass(1800)
            while await self.program.books.sweep():
                pass
            await self._receive(follower)
            await follower.catch_up()
            await follower.retry_parked()
            await follower.sync(at_once=True)
            self.engage.run_job(even_late=True)
            self._pass(2)
            report = await follower.sync(at_once=True)
            if not report.is_complete or self.undelivered:
                continue
            drift = await follower.compare()
            if self.program.mode is Mode.ALL_TRANSACTIONS and drift.differing:
                found = await follower.differences(only_open=True)
                self.outcome.wrong.append(f"movements do not add up: {found[:2]}")
                return
            if not drift.differing and not drift.moved:
                return
        status = await follower.status()
        self.outcome.wrong.append(f"it never calms down: {status}")

    async def _judge(self) -> None:
        follower = await self.program.follower(**QUICK)
        there, here = await shown(self.engage), await expected(self.program, follower)
        if self.program.mode is Mode.BALANCE_ONLY:
            there = {
                key: (active, here.get(key, there[key])[1]) for key, (active, _) in there.items()
            }
            there = {key: value for key, value in there.items() if any(value)}
            here = {key: value for key, value in here.items() if value[0] or key in there}
        if there != here:
            self.outcome.wrong.append(f"Engage shows {there}, the books have {here}")
        status = await follower.status()
        if status.parked:
            self.outcome.wrong.append(f"{status.parked} rows are parked")
        states = Counter(one.state for one in await follower.deliveries(limit=1000))
        self.outcome.messages = self.sent
        booked = states[DeliveryState.BOOKED] + states[DeliveryState.QUARANTINED]
        if booked != self.sent or states.total() != self.sent:
            self.outcome.wrong.append(f"of {self.sent} messages became {dict(states)}")
        # What Engage does not take differs until it does; what had to be mended was wrong.
        mended = [one for one in await follower.differences(limit=1000) if one.repair is not None]
        if mended and not self.applied_late:
            self.outcome.wrong.append(f"comparing had to mend {mended[:2]}")
        findings = dict(self.engage.findings()["counts"])
        if self.applied_late:
            # What Engage applies later than it may is still waiting when the next total comes.
            findings.pop("balance-sent-while-one-waits", None)
        if findings:
            self.outcome.wrong.append(f"Engage found {findings}")
        async with self.program.pool.acquire() as connection:
            unsound = await invariants.check(connection, self.program.catalogue)
        if unsound:
            self.outcome.wrong.append(f"the books are not right: {unsound[:2]}")


async def every_step(
    program: Program, engage: Sandbox, settings: EngageSettings, *, first: int, stride: int
) -> list[str]:
    """Have a replica die at one step after another of telling, asking and settling.

    Answers the steps at which it died. After each death another replica must bring both together.

    Args:
        program: In either mode; its contacts are known.
        engage: The stand-in.
        settings: Of the replicas.
        first: The first step to die at.
        stride: How many steps later the next.
    """
    assert program.now is not None
    died: list[str] = []
    at = first
    while True:
        for contact in CONTACTS:
            await program.earn(contact, 7)
        life = Life(at)
        with contextlib.suppress(KilledError, BaseExceptionGroup):
            async with mortal(program, settings, life) as follower:
                await follower.push()
                engage.run_job()
                program.now.passes(seconds=2)
                at_one_time(program, engage)
                await follower.poll()
                await follower.settle()
        survivor = await program.follower(**QUICK)
        for _ in range(4):
            program.now.passes(seconds=1000)
            at_one_time(program, engage)
            await survivor.sync(at_once=True)
            engage.run_job()
        program.now.passes(seconds=2)
        assert (await survivor.sync(at_once=True)).is_complete, life.last
        there, here = await shown(engage), await expected(program, survivor)
        assert there == here, f"after dying {life.last}"
        await survivor.close()
        if not life.is_over:
            return died
        died.append(life.last)
        at += stride


def main(seeds: list[int], modes: list[Mode], rounds: int) -> int:
    """Let storms loose on databases and an Engage of their own; answers how many went wrong."""
    began = time.perf_counter()
    arguments = ("--set", "balances.jobSeconds=null", "--set", "journal.requestsMax=100")
    with (
        tempfile.TemporaryDirectory(prefix="pointmaster-storm-") as folder,
        own_server(Path(folder) / "postgres", 18) as server,
        launched("engage", *arguments) as engage,
    ):
        wrong = 0
        for seed, mode in itertools.product(seeds, modes):
            storm = storm_of_its_own(server, Path(folder), engage.address, seed, mode, rounds)
            outcome = asyncio.run(storm)
            wrong += bool(outcome.wrong)
            print(outcome.summary(), flush=True)  # noqa: T201 - what it is run for
    seconds = time.perf_counter() - began
    storms = len(seeds) * len(modes)
    said = f"{storms} storm(s) of {rounds} rounds in {seconds:.0f} s, {wrong} wrong"
    print(said)  # noqa: T201 - the same; its last line
    return wrong


async def storm_of_its_own(
    server: Server, folder: Path, address: str, seed: int, mode: Mode, rounds: int
) -> Outcome:
    """A storm over a new database of a server that is killed now and then.

    Args:
        server: As `tests.simulation.run.own_server` gives it.
        folder: For what those who share the server need.
        address: Of the stand-in Engage.
        seed, mode, rounds: Of the storm.
    """
    await ensure_template(server, folder / "template.lock")
    name = f"storm_{uuid4().hex}"
    database = await create_database(server, name, "template_of_tests")
    with httpx.Client(base_url=address, timeout=60) as http:
        sandbox = Sandbox(http)
        sandbox.post("/reset")
        sandbox.behave()
        sandbox.set(definitions=[{"id": 1}, {"id": 2}])
        async with AsyncExitStack() as stack:
            program = await open_program(database, address, stack, Now(), mode)
            outcome = await Storm(program, sandbox, seed, server).run(rounds)
    await drop_database(server, name)
    return outcome


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, action="append", help="may be given again")
    parser.add_argument("--mode", choices=[mode.value for mode in Mode], help="both without it")
    parser.add_argument("--rounds", type=int, default=200)
    given = parser.parse_args()
    chosen = [Mode(given.mode)] if given.mode else list(Mode)
    sys.exit(main(given.seed or [1], chosen, given.rounds) > 0)

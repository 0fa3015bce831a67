"""Reading over HTTP measured beside bare endpoints, round by round."""

import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from benchmarks.asking import Asked, ask, request_bytes
from benchmarks.filling import EACH, contact, filled, warm
from benchmarks.ground import Ground
from benchmarks.result import Latency, Rounds
from benchmarks.serving import Serving, bare, service

CALLERS: Final = 32

PathOf = Callable[[str], str]
"""Where a contact's answer is."""


@dataclass(slots=True)
class Read:
    """Rounds of reading, in requests a second.

    Attributes:
        beside_statement: Beside a bare endpoint that runs one prepared statement.
        beside_nothing: Beside one that answers the same bytes without a database.
    """

    beside_statement: Rounds = field(default_factory=Rounds)
    beside_nothing: Rounds = field(default_factory=Rounds)
    waits: list[float] = field(default_factory=list)
    used: list[tuple[float, float, float]] = field(default_factory=list)

    @property
    def latency(self) -> Latency | None:
        """How long a request took."""
        return Latency.of(self.waits)

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the time went."""
        ours, statement, nothing = (median(one) for one in zip(*self.used, strict=True))
        used = f"processor time a request: service {ours:.0f} us, bare {statement:.0f} us"
        return (f"{used} with a statement, {nothing:.0f} us without",)


@dataclass(frozen=True, slots=True)
class Doors:
    """What is asked.

    Attributes:
        kind: Of the bare server that runs a statement.
        headers: What opens the service's door.
        tables: What is read, in the order of what must be in memory.
    """

    ours: PathOf
    kind: str
    headers: Callable[[Serving], dict[str, str]]
    tables: tuple[str, ...]


async def beside_bare(ground: Ground, doors: Doors) -> Read:
    """Read contacts drawn at random out of large books, in turns with both bare servers."""
    contacts = ground.size(500_000, 5_000)
    count = ground.size(15_000, 4_000)
    database = await filled(ground, contacts, EACH)
    await warm(database, *doors.tables)
    found = Read()
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(service(database, engage=True))
        statement = await stack.enter_async_context(bare(doors.kind, dsn=database.dsn_service))
        first = await _read(ours, doors, contacts, 500, seed=-1)
        await _read(statement, doors, contacts, 500, seed=-1)
        nothing = await stack.enter_async_context(bare("constant", answer=first.body))
        for number in range(ground.rounds):
            # Contacts of its own for each: whoever asks first brings pages into memory.
            mine, one, none = [
                await _measured(serving, doors, contacts, count, seed=3 * number + turn)
                for turn, serving in enumerate((ours, statement, nothing))
            ]
            found.used.append((mine[1], one[1], none[1]))
            rates = [asked.rate for asked, _ in (mine, one, none)]
            found.beside_statement.add(rates[0], rates[1])
            found.beside_nothing.add(rates[0], rates[2])
            found.waits += mine[0].waits
            ground.say("ours {:,.0f}, bare {:,.0f}, constant {:,.0f}".format(*rates))
    return found


async def _measured(
    serving: Serving, doors: Doors, contacts: int, count: int, *, seed: int
) -> tuple[Asked, float]:
    """What asking came to, and the server's processor time a request in microseconds."""
    before = serving.processor_seconds()
    asked = await _read(serving, doors, contacts, count, seed=seed)
    return asked, (serving.processor_seconds() - before) / count * 1_000_000


async def _read(serving: Serving, doors: Doors, contacts: int, count: int, *, seed: int) -> Asked:
    drawn = random.Random(seed)
    # The bare ones are asked at the address of their own kind.
    path = doors.ours if serving.key else f"/{doors.kind}/{{}}".format
    headers = doors.headers(serving) if serving.key else {}
    requests = [
        request_bytes("GET", path(str(contact(drawn.randint(1, contacts)))), headers=headers)
        for _ in range(count)
    ]
    return await ask(serving.address, requests, CALLERS)

"""The relay: what receives, what delivers, and what keeps order behind them, put together.

The one hard idea: receiving and delivering meet in the database only. A process that receives need
not deliver; one that delivers takes what any process received. What is here wires them up, starts
them and stops them, in that order.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import asyncpg

from ledger.connection import Pool
from ledger.identity import TenantId
from ledger.tenants import Catalogue
from sync.clock import Clock
from sync.leadership import Connect
from sync.relay import standing
from sync.relay.authentication import Message, is_authentic
from sync.relay.channels.opening import Channel, open_channels, open_pick_ups
from sync.relay.contention import again
from sync.relay.courier import Courier
from sync.relay.erasure import erase_customers
from sync.relay.events import EventRecord, Wanted, one, page
from sync.relay.expiring import tell_expiring
from sync.relay.fresh import fresh_ids
from sync.relay.inbox import Inbox
from sync.relay.intake import EventState, Incoming, take_in
from sync.relay.people import NumbersOf, nobody_knows
from sync.relay.register import DestinationId, Register, SourceRecord
from sync.relay.replaying import Replayed, replay_one, replay_some
from sync.relay.retention import clear_up
from sync.relay.settings import RelaySettings
from sync.relay.settling import Settled
from sync.relay.status import RelayStatus, status
from sync.relay.storing import Placed, Stored, release_since
from sync.relay.taking import Taker
from sync.relay.tallies import Tally, Way
from sync.relay.teaching import Told, Whose, teach
from sync.relay.vendors.protocol import Arrival
from sync.schedule import Job, Schedule
from sync.timing import every

BODY_BYTES_MAX: Final = 2 * 1024 * 1024

LEADERSHIP: Final = "relay schedule"

TALLY_SECONDS: Final = 5.0
TAKE_SECONDS: Final = 0.5
"""How often is looked for what the books leave."""

RELEASE_SECONDS: Final = 10.0
"""How often is looked for events whose customer is known by now and that nobody let go."""

RELEASE_BACK_SECONDS: Final = 3600.0
"""How far back; longer than it takes until another replica keeps the schedule."""

TROUBLE_SECONDS: Final = 2.0

AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

logger = logging.getLogger(__name__)


class Welcome(StrEnum):
    """How a message at the door is taken."""

    KEPT = "kept"
    UNKNOWN = "unknown"
    """There is no such source, or it takes nothing over HTTP."""
    REFUSED = "refused"
    """It does not prove to be its vendor's."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message.

    Attributes:
        events: How many events it held.
        fresh: How many of those were not repeats.
    """

    welcome: Welcome
    events: int = 0
    fresh: int = 0


class Relay:
    """Vendors' events on their way to MoEngage; one for each process."""

    def __init__(
        self,
        settings: RelaySettings,
        register: Register,
        catalogue: Catalogue,
        *,
        pool: Pool,
        wires: Pool,
        connect: Connect,
        clock: Clock | None = None,
        numbers_of: NumbersOf = nobody_knows,
    ) -> None:
        """Put the relay together.

        Args:
            settings: Sources, destinations, retention.
            register: Their numbers.
            catalogue: The tenants and their points.
            pool: Connections for what is received and looked at.
            wires: Connections for what is delivered.
            connect: Opens a connection of its own, past any pooler, for choosing a leader.
            clock: The wires'.
            numbers_of: The member numbers of contacts.
        """
        self.settings = settings
        self.register = register
        self.tally = Tally()
        self._catalogue = catalogue
        self._pool = pool
        self._wires = wires
        self._clock = clock or Clock()
        self.inbox = Inbox(pool, register, self._clock)
        self._numbers_of = numbers_of
        self._taker = Taker(wires, register, catalogue, self.inbox, self._clock, numbers_of)
        self.couriers = {
            one_of.id: Courier(wires, register, one_of, self._clock, self._noter(one_of.id))
            for one_of in register.destinations.values()
        }
        self._channels: tuple[Channel, ...] = ()
        self.pick_ups = open_pick_ups(register, wires, self.accept, self._clock)
        self._schedule = Schedule(list(self._jobs()), connect, leadership=LEADERSHIP)
        self._tasks: list[asyncio.Task[None]] = []

    async def receive(self, source: str, message: Message) -> Receipt:
        """Take a message in at the door of a source.

        Raises:
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: it could not be stored.
        """
        found = self._admitted(source, message)
        if isinstance(found, Welcome):
            return Receipt(found)
        now = self._clock.here()
        events = take_in(found.settings, message.body, Arrival(now), fresh_ids(now))
        stored = await self.accept(found, events)
        return Receipt(Welcome.KEPT, len(events), len(stored.states))

    def greet(self, source: str, message: Message) -> Welcome:
        """Answer a health check, which may come with or without proof, but not with a wrong one."""
        found = self.register.sources.get(source)
        if found is None or found.settings.authentication is None:
            return Welcome.UNKNOWN
        header = found.settings.authentication.header or ""
        if message.token is None and not {"authorization", header} & message.headers.keys():
            return Welcome.KEPT
        admitted = self._admitted(source, message)
        return admitted if isinstance(admitted, Welcome) else Welcome.KEPT

    def _admitted(self, source: str, message: Message) -> SourceRecord | Welcome:
        found = self.register.sources.get(source)
        if found is None or found.settings.authentication is None:
            return Welcome.UNKNOWN
        settings = found.settings
        if not is_authentic(
            message, found.settings.authentication, settings.secrets, self._clock.here()
        ):
            # Which headers came tells whoever set the vendor up what is missing; values never do.
            logger.warning(
                "relay source=%s refused=proof wanted=%s headers=%s",
                source,
                found.settings.authentication.kind.value,
                ",".join(sorted(message.headers))[:500],
            )
            return Welcome.REFUSED
        return found

    async def accept(self, source: SourceRecord, events: Sequence[Incoming]) -> Stored:
        """Store what a source brought, whatever its channel."""
        placed = [Placed(source, event) for event in events]
        stored = await self.inbox.store(placed)
        self._received(placed, stored)
        return stored

    def _received(self, placed: Sequence[Placed], stored: Stored) -> None:
        for event in placed:
            way = Way(event.source.id, event.source.destination)
            self.tally.count(way, "received")
            state = stored.states.get(event.event.id)
            if state is None:
                self.tally.count(way, "repeats")
            elif state is EventState.QUARANTINED:
                self.tally.count(way, "quarantined")
            elif state is EventState.WAITING and event.source.destination in self.couriers:
                self.couriers[event.source.destination].wake()

    def start(self, *, delivers: bool) -> None:
        """Begin to work.

        Args:
            delivers: Whether this process delivers, consumes and keeps schedules too.
        """
        self._keep_doing("tally", TALLY_SECONDS, self._write_tally)
        if not delivers or not self.settings:
            return
        for courier in self.couriers.values():
            courier.start()
        if not self._taker.is_idle:
            self._keep_doing("books", TAKE_SECONDS, self.take_from_books)
        self._channels = open_channels(self.register, self.accept, self._clock)
        for channel in self._channels:
            channel.start()
        self._schedule.start()

    async def stop(self) -> None:
        """Stop in the order of the flow: what comes in first, then what goes out."""
        await self._schedule.stop()
        for channel in self._channels:
            await channel.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.inbox.close()
        await asyncio.gather(*(courier.stop() for courier in self.couriers.values()))
        with contextlib.suppress(*AWAY):
            await self._write_tally()

    async def take_from_books(self) -> int:
        """Tell of what the books left; answers how many changes were taken."""
        taken = 0
        while True:
            rows, stored, events = await self._taker.take()
            self._received(events, stored)
            taken += rows
            if not rows:
                return taken

    async def tell_expiring(self) -> int:
        """Tell of points that expire soon; answers how many notices are new."""
        told = 0
        for source in self.register.sources.values():
            async with self._wires.acquire() as connection:
                now = await self._clock.read(connection)
            told += await tell_expiring(
                self._wires, self.inbox, self._catalogue, source, now, self._numbers_of
            )
        return told

    async def release(self) -> int:
        """Let go of events whose customer is known by now; answers how many they were."""
        released = 0
        async with self._wires.acquire() as connection:
            now = await self._clock.read(connection)
            since = now - timedelta(seconds=RELEASE_BACK_SECONDS)
            for group, sources in self.register.groups().items():
                released += await release_since(connection, group, sources, now, since)
        return released

    async def clear_up(self) -> None:
        """Remove what is old enough."""
        async with self._wires.acquire() as connection:
            now = await self._clock.read(connection)
        await clear_up(self._wires, self.settings.retention, now)

    async def status(self, tenant: TenantId | None = None) -> RelayStatus:
        """How everything stands, or what belongs to a tenant."""
        register = self.register
        sources = list(register.source_names) if tenant is None else register.sources_of(tenant)
        destinations = (
            list(register.destination_names) if tenant is None else register.destinations_of(tenant)
        )
        async with self._pool.acquire() as connection:
            now = await self._clock.read(connection)
            return await status(connection, register, sources, destinations, now)

    async def events(
        self, wanted: Wanted, *, before: UUID | None = None, limit: int = 100
    ) -> list[EventRecord]:
        """A page of events, the latest first."""
        async with self._pool.acquire() as connection:
            return await page(connection, self.register, wanted, before=before, limit=limit)

    async def event(
        self, tenant: TenantId, identifier: UUID
    ) -> tuple[EventRecord, bytes | None] | None:
        """A tenant's event, with what was kept of the message."""
        async with self._pool.acquire() as connection:
            return await one(
                connection, self.register, self.register.sources_of(tenant), identifier
            )

    async def replay(self, tenant: TenantId, identifier: UUID) -> Replayed | None:
        """Replay one of a tenant's events; `None` where there is none that could be."""
        sources = self.register.sources_of(tenant)
        async with self._pool.acquire() as connection, connection.transaction():
            now = await self._clock.read(connection)
            found = await replay_one(connection, self.register, sources, identifier, now)
        self._wake()
        return found

    async def replay_all(self, wanted: Wanted, *, events_max: int) -> Replayed:
        """Replay what a search finds, the earliest first, at most so many events."""
        done, after = Replayed(0, 0), None
        while done.waiting + done.unchanged < events_max:
            async with self._pool.acquire() as connection, connection.transaction():
                now = await self._clock.read(connection)
                more, after = await replay_some(connection, self.register, wanted, now, after)
            done += more
            if after is None:
                break
        self._wake()
        return done

    async def erase(self, tenant: TenantId, customers: Sequence[str]) -> int:
        """Forget customers by their ids at MoEngage; answers how many events are gone."""

        async def erased() -> int:
            async with self._pool.acquire() as connection, connection.transaction():
                return await erase_customers(connection, tenant, customers)

        return await again(erased)

    async def teach(self, source: SourceRecord, given: Sequence[Whose]) -> Told:
        """Remember whose things are; all given must be without trouble by `teaching.judged`."""

        async def taught() -> Told:
            async with self._pool.acquire() as connection, connection.transaction():
                now = await self._clock.read(connection)
                return await teach(connection, source, self.register.groups(), given, now)

        told = await again(taught)
        self._wake()
        return told

    async def resume(self, destination: DestinationId) -> None:
        """Send to a destination again at once, whatever was the matter."""
        async with self._pool.acquire() as connection:
            await standing.resume(connection, destination)
        self._wake()

    def _wake(self) -> None:
        for courier in self.couriers.values():
            courier.wake()

    def _noter(self, destination: DestinationId) -> Callable[[Settled], None]:
        def note(settled: Settled) -> None:
            for kind, counts in asdict(settled).items():
                for source, number in counts.items():
                    self.tally.count(Way(source, destination), kind, number)

        return note

    async def _write_tally(self) -> None:
        async with self._pool.acquire() as connection:
            await self.tally.write(connection, await self._clock.read(connection))

    def _keep_doing(self, name: str, seconds: float, do: Callable[[], Awaitable[object]]) -> None:
        async def work() -> None:
            while True:
                await asyncio.sleep(seconds)
                try:
                    await do()
                except AWAY as problem:
                    logger.warning("relay task=%s database=%s", name, type(problem).__name__)
                    await asyncio.sleep(TROUBLE_SECONDS)
                except Exception:
                    logger.exception("relay task=%s failed", name)
                    await asyncio.sleep(TROUBLE_SECONDS)

        self._tasks.append(asyncio.create_task(work(), name=f"relay {name}"))

    def _jobs(self) -> Iterator[Job]:
        if not self.settings:
            return
        yield Job("relay clear up", self.settings.retention.schedule, "UTC", self.clear_up)
        yield Job("relay release", every(RELEASE_SECONDS), "UTC", self.release)
        for source in self.register.sources.values():
            books = source.settings.options.books
            if books is not None:
                zone = str(self._catalogue.tenants[source.settings.tenant].zone)
                yield Job(
                    f"relay expiring {source.settings.name}",
                    books.expiring,
                    zone,
                    self.tell_expiring,
                )
        for name, pick_up in self.pick_ups.items():
            timing = pick_up.options.schedule
            yield Job(f"relay files {name}", timing, "UTC", pick_up.fetch)

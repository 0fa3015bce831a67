"""One tenant's Engage as the rest of the project meets it.

The one hard idea: `Follower` is the only door, and everything behind it may be asked of several
replicas at once: rows in the database hold that nothing is sent twice. That runs of one tenant are
also kept apart, for economy, is `sync.service`'s business.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final, Self
from uuid import UUID

from ledger import reading
from ledger.contacts import Eraser, erase_contact
from ledger.identity import ContactId
from ledger.posting import Books
from ledger.tenants import TenantRecord
from sync.clock import Clock
from sync.engage import adjustments, batches, deliveries, marks, parked, pauses
from sync.engage.adjustments import Receipt
from sync.engage.batches import BatchRecord
from sync.engage.client import EngageClient
from sync.engage.contacts import gone
from sync.engage.contacts.gone import GoneRecord
from sync.engage.contacts.lookup import Resolution, resolve
from sync.engage.contacts.noticing import NoticeReport, notice
from sync.engage.context import Context
from sync.engage.deliveries import DeliveryRecord, DeliveryState
from sync.engage.drift import differences
from sync.engage.drift.comparing import DriftReport, compare_sample, compare_share
from sync.engage.drift.differences import DifferenceRecord
from sync.engage.marks import AccountKey
from sync.engage.parked import ParkedRecord
from sync.engage.pauses import Direction, Pause
from sync.engage.people import holders_of
from sync.engage.points_log import points_log_body
from sync.engage.polling import PollReport, poll
from sync.engage.progress import State
from sync.engage.push import PushReport, push
from sync.engage.rate import Rate
from sync.engage.record import Entry, record_of
from sync.engage.rehearsal import Rehearsal, rehearse
from sync.engage.retention import Cleared, clear_up
from sync.engage.settings import EngageSettings, Mode, PendingShown
from sync.engage.settlement import SettleReport, settle
from sync.engage.status import FollowerStatus, is_complete, parked_count, status_of, stuck
from sync.engage.transactions import deriving

LOOK_SECONDS: Final = 0.2
"""How often a caller that waits for Engage looks again, at the most."""


@dataclass(slots=True)
class SyncReport:
    """What pushing, asking and settling brought together.

    Attributes:
        is_complete: Nothing is left to send or to hear: Engage has what the books have, but for
            what is parked.
        parked: What Engage does not take, of this run and of those before.
    """

    push: PushReport = field(default_factory=PushReport)
    poll: PollReport = field(default_factory=PollReport)
    settle: SettleReport = field(default_factory=SettleReport)
    is_complete: bool = False
    parked: int = 0


class Follower:
    """One tenant's Engage."""

    def __init__(
        self,
        tenant: TenantRecord,
        settings: EngageSettings,
        books: Books,
        clock: Clock | None = None,
    ) -> None:
        rate = Rate(books.pool, settings.secrets.api_key, settings.options.rate_per_second)
        client = EngageClient(settings, rate)
        self.context = Context(tenant, settings, books, client, clock or Clock())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections to Engage."""
        await self.context.client.close()

    @property
    def tenant(self) -> TenantRecord:
        """Whose Engage it is."""
        return self.context.tenant

    async def push(self, *, at_once: bool = False) -> PushReport:
        """Send the totals of all changed accounts that aren't in flight.

        Args:
            at_once: Try again at once what was put off.
        """
        return await push(self.context, at_once=at_once)

    async def poll(self) -> PollReport:
        """Ask Engage how far it has come with what it accepted."""
        return await poll(self.context)

    async def settle(self) -> SettleReport:
        """Read back what is unclear and whose time has come."""
        return await settle(self.context)

    async def sync(self, *, wait_seconds: float = 0, at_once: bool = False) -> SyncReport:
        """Push, ask and settle; within `wait_seconds` until Engage has what the books have.

        It ends early when Engage is in trouble; the schedule goes on from there.
        """
        deadline = time.monotonic() + wait_seconds
        report = SyncReport()
        while True:
            _add(report.push, await self.push(at_once=at_once))
            _add(report.poll, await self.poll())
            _add(report.settle, await self.settle())
            report.is_complete = await is_complete(self.context)
            # A question that failed has its own next appointment; a request that failed has not.
            is_stopped = report.push.is_stopped() or report.settle.is_stopped()
            if report.is_complete or is_stopped or time.monotonic() >= deadline:
                report.parked = await parked_count(self.context)
                return report
            at_once = False
            await asyncio.sleep(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))

    async def push_everything(self) -> int:
        """Have all there is told by the next pushes; answers how many were marked.

        Totals are told anew, whatever Engage has. Movements that were told are not told again, as
        they would count twice; those that never were are.
        """
        async with self.context.pool.acquire() as connection:
            if self.context.options.mode is Mode.ALL_TRANSACTIONS:
                return await deriving.take_up_history(self.context, connection)
            return await marks.mark_everything(connection, list(self.context.definitions))

    async def receive(self, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Receive a webhook's message; the receipt says how to answer it."""
        return await adjustments.receive(self.context, body, headers)

    async def replay(self, delivery: UUID) -> DeliveryRecord | None:
        """Judge a quarantined message again; `None` if there is none of that id.

        Raises:
            NotReplayableError: it isn't quarantined, or its body was erased.
        """
        return await adjustments.replay(self.context, delivery)

    async def replay_all(self, reason: str | None = None) -> Counter[DeliveryState]:
        """Judge again all that is quarantined, for one reason or any; what became of it."""
        return await adjustments.replay_all(self.context, reason)

    async def dismiss(self, delivery: UUID, by: str, why: str) -> DeliveryRecord | None:
        """Leave a quarantined message unbooked for good; `None` if there is none of that id.

        Raises:
            NotReplayableError: it isn't quarantined.
        """
        return await adjustments.dismiss(self.context, delivery, by, why)

    async def delivery(self, delivery: UUID) -> DeliveryRecord | None:
        """A webhook's message by its id here; `None` if the tenant has none of that id."""
        async with self.context.pool.acquire() as connection:
            return await deliveries.one(connection, self.tenant.id, delivery)

    async def deliveries(
        self, *, before: UUID | None = None, state: DeliveryState | None = None, limit: int = 100
    ) -> list[DeliveryRecord]:
        """A page of webhook messages, newest first; `before` is the id of the last one seen."""
        async with self.context.pool.acquire() as connection:
            return await deliveries.page(
                connection, self.tenant.id, before=before, state=state, limit=limit
            )

    async def batches(
        self, *, before: UUID | None = None, state: State | None = None, limit: int = 100
    ) -> list[BatchRecord]:
        """A page of batches, newest first; `before` is the id of the last one seen."""
        async with self.context.pool.acquire() as connection:
            return await batches.page(
                connection, self.tenant.id, before=before, state=state, limit=limit
            )

    async def parked(self, *, after: int | AccountKey = 0, limit: int = 100) -> list[ParkedRecord]:
        """What Engage does not take: movements, oldest first, then totals.

        `after` is what was seen last: a movement by its id, or an account.
        """
        async with self.context.pool.acquire() as connection:
            return await parked.page(self.context, connection, after=after, limit=limit)

    async def retry_parked(
        self,
        *,
        rows: Sequence[int] | None = None,
        contacts: Sequence[ContactId] | None = None,
    ) -> int:
        """Have what is parked told by the next pushes; answers how many. All, unless it says which.

        With `rows`, movements by their ids, and no totals; with `contacts`, all of theirs.
        """
        async with self.context.pool.acquire() as connection:
            holders = None
            if contacts is not None:
                holders = await holders_of(connection, self.tenant.id, contacts)
            return await parked.retry(self.context, connection, rows=rows, holders=holders)

    async def points_log(self, contact: ContactId) -> bytes:
        """A contact's points log as Engage wants it; who may have it is the caller's question."""
        options = self.context.options.points_log
        definition = None
        if options.definition is not None:
            found = self.context.books.catalogue.definition(self.tenant.id, options.definition)
            if found is None:
                return b"[]"
            definition = found.id
        async with self.context.pool.acquire() as connection:
            rows = await reading.points_log(
                connection,
                self.context.books.catalogue,
                self.tenant.id,
                contact,
                definition=definition,
                limit=options.rows_max if options.expiries else reading.LOG_MAX,
                at=await self.context.clock.read(connection),
                pending=options.pending is PendingShown.WHEN_EARNED,
            )
        return points_log_body(rows, options)

    async def stuck(self) -> int:
        """How many requests are on their way for longer than they should be."""
        async with self.context.pool.acquire() as connection:
            now = await self.context.clock.read(connection)
            return await stuck(self.context, connection, now)

    async def status(self) -> FollowerStatus:
        """How things stand now."""
        return await status_of(self.context)

    async def compare(
        self, *, sample: bool = False, accounts_max: int | None = None, repairs: bool = True
    ) -> DriftReport:
        """Compare what Engage has with the books, a share of all accounts or a sample.

        Args:
            sample: What differed before, and some at random; else what was compared longest ago.
            accounts_max: The most accounts of a share, instead of the setting's.
            repairs: Whether differences are repaired as the settings say, or only written down.
        """
        if sample:
            return await compare_sample(self.context, repairs=repairs)
        return await compare_share(self.context, accounts_max=accounts_max, repairs=repairs)

    async def differences(
        self, *, before: UUID | None = None, only_open: bool = False, limit: int = 100
    ) -> list[DifferenceRecord]:
        """A page of differences, newest first; `before` is the id of the last one seen."""
        async with self.context.pool.acquire() as connection:
            return await differences.page(
                connection, self.tenant.id, before=before, only_open=only_open, limit=limit
            )

    async def pause(self, direction: Direction, paused_by: str, reason: str | None = None) -> bool:
        """Stop something on all replicas until it is resumed; False if it was stopped already."""
        async with self.context.pool.acquire() as connection:
            now = await self.context.clock.read(connection)
            return await pauses.pause(connection, self.tenant.id, direction, now, paused_by, reason)

    async def resume(self, direction: Direction) -> bool:
        """Let something go on; False if it was not stopped.

        Adjustments that came meanwhile are booked by the next `catch_up`.
        """
        async with self.context.pool.acquire() as connection:
            return await pauses.resume(connection, self.tenant.id, direction)

    async def catch_up(self) -> int:
        """Book the adjustments that came while booking was stopped; answers how many."""
        return await adjustments.catch_up(self.context)

    async def resolve(self, numbers: Sequence[str]) -> dict[str, Resolution]:
        """Whose member numbers are: what Engage said lately, or says now."""
        return await resolve(self.context, numbers)

    async def notice(self, erasers: Sequence[Eraser]) -> NoticeReport:
        """Look for contacts that Engage created, deleted or merged, and do what the settings say.

        Args:
            erasers: Of everything outside the books, for a person who is to be erased.
        """

        async def erase(contact: ContactId) -> object:
            return await erase_contact(self.context.books, self.tenant.id, contact, erasers=erasers)

        return await notice(self.context, erase)

    async def gone(
        self, *, before: tuple[datetime, ContactId] | None = None, limit: int = 100
    ) -> list[GoneRecord]:
        """Contacts of the books that Engage no longer has, the latest first."""
        async with self.context.pool.acquire() as connection:
            return await gone.page(connection, self.tenant.id, before=before, limit=limit)

    async def clear_up(self) -> Cleared:
        """Clear away what is over and older than the settings keep."""
        return await clear_up(self.context)

    async def pauses(self) -> list[Pause]:
        """Everything that is stopped."""
        async with self.context.pool.acquire() as connection:
            return await pauses.paused(connection, self.tenant.id)

    async def rehearse(self) -> Rehearsal:
        """What would be sent now, byte for byte; nothing is sent or changed."""
        return await rehearse(self.context)

    async def record_of(
        self, contact: ContactId, *, before: datetime | None = None, limit: int = 100
    ) -> list[Entry]:
        """Who told whom what about a contact, the latest first."""
        async with self.context.pool.acquire() as connection:
            return await record_of(self.context, connection, contact, before=before, limit=limit)


def _add(total: PushReport | PollReport | SettleReport, part: object) -> None:
    """Add a round's report to the whole's: numbers are summed, the last trouble counts."""
    for one in fields(total):
        value = getattr(part, one.name)
        summed = getattr(total, one.name) + value if isinstance(value, int) else value
        setattr(total, one.name, summed)

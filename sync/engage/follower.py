"""One tenant's Engage as the rest of the project meets it.

The one hard idea: `Follower` is the only door, and everything behind it may be asked of several
replicas at once: rows in the database hold that nothing is sent twice. That runs of one tenant are
also kept apart, for economy, is `sync.service`'s business.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final, Self
from uuid import UUID

import msgspec

from ledger import reading
from ledger.connection import Connection
from ledger.identity import ContactId, HolderId
from ledger.outbox import Consumer
from ledger.posting import Books
from ledger.tenants import TenantRecord
from sync.clock import Clock
from sync.engage import adjustments, batches, deliveries, marks, parked
from sync.engage.adjustments import Receipt
from sync.engage.batches import BatchRecord
from sync.engage.client import EngageClient
from sync.engage.context import Context
from sync.engage.deliveries import DeliveryRecord, DeliveryState
from sync.engage.parked import ParkedRecord
from sync.engage.points_log import points_log_body
from sync.engage.polling import PollReport, poll
from sync.engage.progress import State
from sync.engage.push import PushReport, push
from sync.engage.rate import Rate
from sync.engage.settings import EngageOptions, EngageSettings, Mode
from sync.engage.settlement import SettleReport, settle
from sync.engage.transactions import deriving, rows

LOOK_SECONDS: Final = 0.2
"""How often a caller that waits for Engage looks again, at the most."""

COUNTED_MAX: Final = 1_000_000

PARKED = """
    -- Index: account_parked_idx, row_parked_idx.
    select (
        select count(*) from engage.account
        where parked_reason is not null and definition_id = any($1::smallint[])
    ) + (
        select count(*) from engage.row
        where state = 'parked' and definition_id = any($1::smallint[])
    )
"""


def consumer_of(options: EngageOptions) -> Consumer:
    """How a tenant's Engage wants to hear of changes from the books."""
    if options.mode is Mode.BALANCE_ONLY:
        return Consumer(marks.CONSUMER, per_account=True)
    return Consumer(deriving.CONSUMER, per_account=False, hears_terms=True)


class OpenState(msgspec.Struct, frozen=True, kw_only=True):
    """The batches of one state that aren't finished."""

    batches: int
    rows: int
    oldest: datetime
    next_action_at: datetime


class FollowerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a tenant's Engage stands.

    Attributes:
        marked: Changes not yet on their way, counted up to a million.
        unfinished: Batches on their way, by state.
        parked: Totals and movements that Engage does not take.
        deliveries: Webhook messages by what became of them.
        put_off_until, trouble: When and why sending goes on, if it was put off.
    """

    tenant: str
    marked: int
    unfinished: dict[str, OpenState]
    parked: int
    deliveries: dict[str, int]
    put_off_until: datetime | None
    trouble: str | None


@dataclass(slots=True)
class SyncReport:
    """What pushing, asking and settling brought together.

    Attributes:
        is_complete: Nothing is left to send or to hear: Engage has what the books have.
    """

    push: PushReport = field(default_factory=PushReport)
    poll: PollReport = field(default_factory=PollReport)
    settle: SettleReport = field(default_factory=SettleReport)
    is_complete: bool = False


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
            report.is_complete = await self._is_complete()
            # A question that failed has its own next appointment; a request that failed has not.
            is_stopped = report.push.is_stopped() or report.settle.is_stopped()
            if report.is_complete or is_stopped or time.monotonic() >= deadline:
                return report
            at_once = False
            await asyncio.sleep(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))

    async def push_everything(self) -> int:
        """Have every account's total sent anew by the next pushes; answers how many were marked."""
        async with self.context.pool.acquire() as connection:
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

    async def parked(self, *, after: int = 0, limit: int = 100) -> list[ParkedRecord]:
        """What Engage does not take: movements after an id, oldest first, then totals."""
        async with self.context.pool.acquire() as connection:
            found = await parked.parked_rows(self.context, connection, after=after, limit=limit)
            rest = limit - len(found)
            if rest:
                found += await parked.parked_accounts(self.context, connection, limit=rest)
        return found

    async def retry_parked(
        self,
        *,
        rows: Sequence[int] | None = None,
        holders: Sequence[HolderId] | None = None,
    ) -> int:
        """Have what is parked told by the next pushes; answers how many. All, unless it says which.

        With `rows`, movements by their ids, and no totals.
        """
        async with self.context.pool.acquire() as connection:
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
            )
        return points_log_body(rows, options)

    async def status(self) -> FollowerStatus:
        """How things stand now."""
        definitions = list(self.context.definitions)
        async with self.context.pool.acquire() as connection:
            now = await self.context.clock.read(connection)
            unfinished = await batches.unfinished(connection, self.tenant.id)
            put_off = await batches.waiting(connection, self.tenant.id, now)
            return FollowerStatus(
                tenant=self.tenant.name,
                marked=await self._untold(connection, COUNTED_MAX),
                unfinished={
                    state.value: OpenState(
                        batches=found.batches,
                        rows=found.rows,
                        oldest=found.oldest,
                        next_action_at=found.next_action_at,
                    )
                    for state, found in unfinished.items()
                },
                parked=await connection.fetchval(PARKED, definitions),
                deliveries={
                    state.value: number
                    for state, number in (
                        await deliveries.counts(connection, self.tenant.id)
                    ).items()
                },
                put_off_until=None if put_off is None else put_off[0],
                trouble=None if put_off is None else put_off[1],
            )

    async def _is_complete(self) -> bool:
        """Whether nothing is left to tell and nothing is on its way."""
        async with self.context.pool.acquire() as connection:
            if await self._untold(connection, 1):
                return False
            return not await batches.unfinished(connection, self.tenant.id)

    async def _untold(self, connection: Connection, most: int) -> int:
        """How much is to be told and not on its way, counted up to `most`."""
        definitions = list(self.context.definitions)
        if self.context.options.mode is Mode.BALANCE_ONLY:
            return await marks.count(connection, definitions, most)
        waiting = await rows.count_waiting(connection, definitions, most)
        return waiting + await deriving.count_underived(self.context, connection, most)


def _add(total: PushReport | PollReport | SettleReport, part: object) -> None:
    """Add a round's report to the whole's: numbers are summed, the last trouble counts."""
    for one in fields(total):
        value = getattr(part, one.name)
        summed = getattr(total, one.name) + value if isinstance(value, int) else value
        setattr(total, one.name, summed)

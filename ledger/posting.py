"""Posting: the one path by which the books change, made for batches.

Load what a batch needs, let the book decide it, store what the book wrote: three steps in one
database transaction. Everything that moves points, one purchase or an import of millions, the
sweep of what has fallen due included, passes through here.
"""

import logging
import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import Final, TypeVar

import asyncpg

from ledger.book import Book, Contact, Place
from ledger.connection import Connection, Pool
from ledger.identity import DefinitionId, HolderId, TenantId, key_hash, uuid7_stream
from ledger.loading import (
    Reach,
    load_accounts,
    load_keys,
    load_lots,
    lock_holders,
)
from ledger.originals import load_originals
from ledger.outbox import Outbox
from ledger.outcomes import Booked, Code, Outcome, Refused, Replayed
from ledger.periods import PeriodError, close_until, own_period, share_periods
from ledger.requests import Move, Request, needs_lots
from ledger.state import AccountState, HolderState
from ledger.storing import ContactRacedError, KeyRacedError, store
from ledger.sweeping import Account, Sweep, due_accounts, lock_due_holders
from ledger.tenants import Catalogue

BATCH_MAX: Final = 1000
"""The most requests of one batch."""

ATTEMPTS_MAX: Final = 8
"""How often a batch begins again after losing a race for a new contact or a key."""

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


class BatchTooLargeError(ValueError):
    """A batch of more than `BATCH_MAX` requests."""


class UnknownDefinitionError(ValueError):
    """A request names a definition that its tenant does not have."""


class TooManyRacesError(RuntimeError):
    """A batch lost `ATTEMPTS_MAX` races in a row; nothing of it was booked."""


class Books:
    """The books of record behind a pool of connections.

    `clock` replaces the database's clock, for replays and tests that run at their own time.
    """

    def __init__(
        self,
        pool: Pool,
        catalogue: Catalogue,
        *,
        outbox: Outbox | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self.pool = pool
        self.catalogue = catalogue
        self._outbox = outbox or Outbox()
        self._clock = clock

    def own_time(self) -> datetime | None:
        """The clock that replaces the database's, if one does."""
        return self._clock() if self._clock else None

    async def post(self, requests: Sequence[Request], *, atomic: bool = False) -> list[Outcome]:
        """Decide and book a batch in a transaction of its own; outcomes in the order asked."""
        async with self.pool.acquire() as connection:
            return await self.post_within(connection, requests, atomic=atomic)

    async def post_within(
        self, connection: Connection, requests: Sequence[Request], *, atomic: bool = False
    ) -> list[Outcome]:
        """The same inside the caller's transaction; what it booked stands or falls with that.

        With `atomic`, one refusal refuses all.
        """
        if len(requests) > BATCH_MAX:
            raise BatchTooLargeError(f"a batch holds at most {BATCH_MAX} requests")
        if not requests:
            return []
        touched = [
            (contact, definition, request)
            for request in requests
            for contact, definition in accounts_in(request)
        ]
        self._check_definitions({(tenant, one) for (tenant, _), one, _ in touched})
        return await _again_after_races(
            connection, lambda: self._post_once(connection, requests, touched, atomic=atomic)
        )

    def _check_definitions(self, named: Iterable[tuple[TenantId, DefinitionId]]) -> None:
        """Hold callers within the program to what the doors hold theirs to."""
        for tenant, definition in named:
            found = self.catalogue.definitions.get(definition)
            if found is None or found.tenant != tenant:
                raise UnknownDefinitionError(f"tenant {tenant} has no definition {definition}")

    async def sweep(
        self, limit: int = BATCH_MAX, definitions: Sequence[DefinitionId] | None = None
    ) -> int:
        """Book what has fallen due on at most `limit` accounts; answers on how many it was.

        Of all definitions, unless it says which. An account that can't be booked (its rows were
        tampered with, say) is logged and passed over; it never keeps others from being swept.
        """
        wanted = list(self.catalogue.definitions if definitions is None else definitions)
        # What falls due from now on is the next sweep's, or this one might never end.
        until = self.own_time() or await self.pool.fetchval("select clock_timestamp()")

        async def find(count: int) -> Sequence[Account]:
            async with self.pool.acquire() as connection:
                return await due_accounts(connection, count, until, wanted)

        async def sweep(share: Sequence[Account]) -> Sequence[Account]:
            async with self.pool.acquire() as connection:
                return await self._sweep(connection, share)

        return await Sweep(find, sweep).run(limit)

    async def close_period(self, tenant: TenantId, boundary: datetime) -> None:
        """Close a tenant's books up to a boundary, everything due by then booked.

        Raises `PeriodError` where the boundary lies ahead or is closed already.
        """
        definitions = [one.id for one in self.catalogue.definitions_of(tenant)]
        async with self.pool.acquire() as connection:
            # Most of what is due is booked while postings go on; the rest under the lock.
            await self._sweep_all(connection, definitions)
            async with connection.transaction():
                await own_period(connection, tenant)
                await self._sweep_all(connection, definitions)
                now = await connection.fetchval("select clock_timestamp()")
                now = self._clock() if self._clock else now
                if await due_accounts(connection, 1, boundary, definitions):
                    raise PeriodError("some accounts could not be swept: see the log and verify")
                await close_until(connection, tenant, boundary, now)

    async def _sweep_all(self, connection: Connection, definitions: Sequence[DefinitionId]) -> None:
        until = self.own_time() or await connection.fetchval("select clock_timestamp()")
        while accounts := await due_accounts(connection, BATCH_MAX, until, definitions):
            if len(await self._sweep(connection, accounts)) == len(accounts):
                return

    async def _sweep(
        self, connection: Connection, accounts: Sequence[Account]
    ) -> Sequence[Account]:
        """Sweep accounts together; where that fails, by halves, down to the ones to blame.

        Answers those.
        """
        try:
            await _again_after_races(connection, lambda: self._sweep_once(connection, accounts))
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
            raise
        except (asyncpg.PostgresError, LookupError, ValueError, RuntimeError):
            if len(accounts) == 1:
                logger.exception("sweep passed over holder=%s definition=%s", *accounts[0])
                return accounts
            middle = len(accounts) // 2
            first = await self._sweep(connection, accounts[:middle])
            return [*first, *await self._sweep(connection, accounts[middle:])]
        return ()

    async def _post_once(
        self,
        connection: Connection,
        requests: Sequence[Request],
        named: Sequence[tuple[Contact, DefinitionId, Request]],
        *,
        atomic: bool,
    ) -> list[Outcome]:
        tenants = {request.tenant for request in requests}
        await share_periods(connection, tenants)
        holders = await lock_holders(connection, dict.fromkeys(contact for contact, _, _ in named))
        by_id = {holder.id: holder for holder in holders.values()}
        keys = [key_hash(request.tenant, request.idempotency_key) for request in requests]
        now, closed, known = await load_keys(connection, tenants, requests, keys)
        now = self._clock() if self._clock else now
        touched = [(holders[contact], one, request) for contact, one, request in named]
        await load_accounts(connection, [(holder, one) for holder, one, _ in touched])
        reach = reach_of(
            [(holder.id, holder.account(one), request) for holder, one, request in touched], now
        )
        await load_lots(connection, by_id, reach)
        originals, places = await load_originals(connection, by_id, requests, known, reach)
        due = sum(
            2 * len(account.lots) + len(account.holds)
            for holder in by_id.values()
            for account in holder.accounts.values()
        )
        book = Book(
            holders=holders,
            definitions=self.catalogue.definitions,
            known=known,
            originals=originals,
            places=places,
            now=now,
            closed_until=closed,
            ids=uuid7_stream(now, os.urandom(10 * (2 * len(requests) + due))),
        )
        outcomes = book.post_all(requests, keys)
        if atomic and any(isinstance(outcome, Refused) for outcome in outcomes):
            told = [entry.transaction for entry in book.entries]
            undone = {(transaction.holder, transaction.number) for transaction in told}
            return [_not_booked(outcome, undone) for outcome in outcomes]
        await self._store(connection, book, by_id)
        return outcomes

    async def _sweep_once(self, connection: Connection, accounts: Sequence[Account]) -> None:
        tenants = {self.catalogue.definitions[one].tenant for _, one in accounts}
        await share_periods(connection, tenants)
        holders, now = await lock_due_holders(connection, [holder for holder, _ in accounts])
        now = self._clock() if self._clock else now
        await load_accounts(
            connection,
            [(holders[holder], definition) for holder, definition in accounts],
        )
        reach: Reach = dict.fromkeys(accounts)
        await load_lots(connection, holders, reach)
        due = sum(
            2 * len(account.lots) + len(account.holds)
            for holder in holders.values()
            for account in holder.accounts.values()
        )
        book = Book(
            holders={},
            definitions=self.catalogue.definitions,
            known={},
            originals={},
            places={},
            now=now,
            ids=uuid7_stream(now, os.urandom(10 * due)),
        )
        for holder, definition in accounts:
            book.book_due(holders[holder], definition)
        await self._store(connection, book, holders)

    async def _store(
        self, connection: Connection, book: Book, holders: dict[HolderId, HolderState]
    ) -> None:
        """Store what a batch changed, if anything."""
        changed = {
            holder: state
            for holder, state in holders.items()
            if state.opened_for is None
            and any(account.changed for account in state.accounts.values())
        }
        touched = {entry.transaction.holder for entry in book.entries}
        changed |= {holder: holders[holder] for holder in touched}
        if changed:
            rows = self._outbox.rows(entry.transaction for entry in book.entries)
            await store(connection, book.entries, changed, rows)


def accounts_in(request: Request) -> tuple[tuple[Contact, DefinitionId], ...]:
    """The accounts that a request touches: its own and, of a move, the one that receives."""
    own = ((request.tenant, request.contact), request.definition)
    if isinstance(request, Move):
        return (own, ((request.tenant, request.to_contact), request.to_definition))
    return (own,)


def reach_of(touched: Sequence[tuple[HolderId, AccountState, Request]], now: datetime) -> Reach:
    """Which accounts' lots a batch needs, and how far back its late debits go.

    A debit is late where something is already booked after it, or will be by this very batch.
    """
    reach: Reach = {}
    frontier: dict[tuple[HolderId, DefinitionId], datetime | None] = {}
    for holder, account, request in touched:
        is_due = account.next_due_at is not None and account.next_due_at <= now
        if account.is_new or not (is_due or needs_lots(request)):
            continue
        place = (holder, account.definition)
        if is_due:
            reach.setdefault(place, None)
            frontier[place] = now
        if not needs_lots(request):
            continue
        last = frontier.setdefault(place, account.last_effective_at)
        at = request.effective_at or now
        late = reach.setdefault(place, None)
        if last is not None and at < last and (late is None or at < late):
            reach[place] = at
        frontier[place] = at if last is None else max(last, at)
    return reach


def _not_booked(outcome: Outcome, undone: Collection[Place]) -> Outcome:
    """The outcome of a request whose atomic batch was refused; `undone` is what it had booked."""
    is_copy = isinstance(outcome, Replayed) and (outcome.holder, outcome.number) in undone
    if is_copy or isinstance(outcome, Booked):
        return Refused(
            Code.BATCH_NOT_BOOKED, "another request of this atomic batch was refused", None
        )
    return outcome


async def _again_after_races(
    connection: Connection, work: Callable[[], Awaitable[Result]]
) -> Result:
    """Run `work` in a transaction (a savepoint inside the caller's), again after a lost race."""
    for _ in range(ATTEMPTS_MAX):
        try:
            async with connection.transaction():
                return await work()
        except (ContactRacedError, KeyRacedError):
            continue
        except asyncpg.DeadlockDetectedError:
            if connection.is_in_transaction():
                raise
    raise TooManyRacesError(f"lost {ATTEMPTS_MAX} races in a row; ask again")

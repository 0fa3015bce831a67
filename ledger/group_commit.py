"""Group commit: requests of many callers, gathered into batches without waiting for any.

The one hard idea: a lane posts whatever is queued the moment it is free. A lone request goes at
once; under load the batch grows by itself to what arrives while the one before is committed.
Requests are laid on lanes (`ledger.lanes`), one connection each. Those of one contact follow each
other in one lane, so they keep their order, and two batches under way at the same time hardly ever
want the same holder. Lanes are filled one after the other: every commit has a price, and few
callers pay it least when they share one.

A request is never lost and never harms another, and a caller who hangs up cancels nobody else.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from typing import Final, Self

import asyncpg

from ledger.book import Contact
from ledger.connection import LOCK_MILLISECONDS_MAX
from ledger.lanes import BusyError, Lane, Part, milliseconds
from ledger.outcomes import Outcome
from ledger.posting import Books
from ledger.requests import Move, Request

LANES: Final = 4
QUEUE_MAX: Final = 10_000
"""Requests that may wait in all lanes together."""

WAIT_MILLISECONDS_MAX: Final = 10_000
"""How long a request may wait for its turn before it is turned away."""

PART_MAX: Final = 250
"""Requests of one caller's batch that are laid on a lane together: a large batch is spread, so that
one part of it is decided while another is stored."""

_LOOK_SECONDS: Final = 0.5

Answer = asyncio.Future[list[Outcome]]

_Laid = tuple[Sequence[int], Answer]
"""Which requests of a batch were laid on a lane together, and what will be answered to them."""


class ClosedError(Exception):
    """The service is going down and takes no new requests; nothing was booked."""


class GroupCommit:
    """Posts requests of many callers together. An asynchronous context manager."""

    def __init__(
        self,
        books: Books,
        *,
        lanes: int = LANES,
        queue_max: int = QUEUE_MAX,
        wait_milliseconds_max: int = WAIT_MILLISECONDS_MAX,
        lock_milliseconds_max: int = LOCK_MILLISECONDS_MAX,
    ) -> None:
        self._books = books
        self._lane_count = lanes
        self._queue_max = queue_max
        self._wait_milliseconds_max = wait_milliseconds_max
        self._lock_milliseconds_max = lock_milliseconds_max
        self._lanes: list[Lane] = []
        self._alone = asyncio.Semaphore(lanes)
        self._under_way: dict[Contact, tuple[Lane, int]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._lanes = [
            Lane(self._books, self._wait_milliseconds_max, self._lock_milliseconds_max, self._leave)
            for _ in range(self._lane_count)
        ]
        self._looking = asyncio.create_task(self._look())
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take nothing new, post everything that is queued."""
        self._is_open = False
        await asyncio.gather(*(lane.close() for lane in self._lanes))
        if self._looking is not None:
            self._looking.cancel()

    async def _look(self) -> None:
        """Turn away who waits too long, also while their lane is held up."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for lane in self._lanes:
                lane.turn_away()

    @property
    def waiting(self) -> int:
        """How many requests are queued."""
        return sum(lane.requests_waiting for lane in self._lanes)

    async def post(self, request: Request) -> Outcome:
        """Decide and book one request. Raises `BusyError` or `ClosedError`: nothing was booked."""
        self._check_room(1)
        contact = (request.tenant, request.contact)
        (outcome,) = await self._add(self._lane_of(contact), (request,), (contact,))
        return outcome

    async def post_batch(self, requests: Sequence[Request], *, atomic: bool) -> list[Outcome]:
        """Several requests, outcomes in order.

        An atomic batch is a transaction of its own, and so is one that moves points: what it asks
        of who received them must be decided after the move, which another lane would not wait for.
        Raises `BusyError` or `ClosedError`; some of the requests may be booked then.
        """
        if atomic or any(isinstance(request, Move) for request in requests):
            self._check_room(0)
            return await self._post_alone(requests, atomic=atomic)
        self._check_room(len(requests))
        laid = [
            one
            for start in range(0, len(requests), PART_MAX)
            for one in self._lay(requests, start, min(start + PART_MAX, len(requests)))
        ]
        answers = [answer for _, answer in laid]
        try:
            found = await asyncio.gather(*answers)
        except BaseException:
            for answer in answers:
                answer.cancel()
            raise
        outcomes: dict[int, Outcome] = {}
        for (places, _), told in zip(laid, found, strict=True):
            outcomes.update(zip(places, told, strict=True))
        return [outcomes[place] for place in range(len(requests))]

    async def _post_alone(self, requests: Sequence[Request], *, atomic: bool) -> list[Outcome]:
        """Post a batch that must not be mixed with others, beside at most as many as lanes.

        So they leave connections to others, also where they wait for somebody's lock.
        """
        async with self._alone, self._books.pool.acquire() as connection:
            # The pool takes it back from the connection.
            await connection.execute(f"set lock_timeout = '{self._lock_milliseconds_max}ms'")
            try:
                return await self._books.post_within(connection, requests, atomic=atomic)
            except asyncpg.LockNotAvailableError:
                raise BusyError(self._lock_milliseconds_max) from None

    def _lay(self, requests: Sequence[Request], start: int, end: int) -> Iterator[_Laid]:
        """Lay some of a batch on the first lane free, but those whose contacts are in others."""
        some = requests[start:end]
        contacts = [(request.tenant, request.contact) for request in some]
        wanted = set(contacts)
        free = self._first_free()
        if self._under_way.keys().isdisjoint(wanted):
            yield range(start, end), self._add(free, some, wanted)
            return
        lanes: dict[Lane, list[int]] = {}
        for number, contact in enumerate(contacts):
            lane, _ = self._under_way.get(contact, (free, 0))
            lanes.setdefault(lane, []).append(number)
        for lane, chosen in lanes.items():
            places = [start + number for number in chosen]
            part = [some[number] for number in chosen]
            yield places, self._add(lane, part, {contacts[number] for number in chosen})

    def _add(
        self, lane: Lane, requests: Sequence[Request], contacts: Collection[Contact]
    ) -> Answer:
        """Queue requests; as long as they are there, their contacts' next ones follow them."""
        for contact in contacts:
            _, parts = self._under_way.get(contact, (lane, 0))
            self._under_way[contact] = (lane, parts + 1)
        answer: Answer = asyncio.get_running_loop().create_future()
        lane.add(Part(requests, contacts, answer, milliseconds()))
        return answer

    def _leave(self, part: Part) -> None:
        for contact in part.contacts:
            lane, parts = self._under_way.pop(contact)
            if parts > 1:
                self._under_way[contact] = (lane, parts - 1)

    def _lane_of(self, contact: Contact) -> Lane:
        """Where the contact's last request still is or, else, the first lane free.

        Few callers thus share one lane and its commits; more lanes are taken into use as they come.
        """
        found = self._under_way.get(contact)
        return self._first_free() if found is None else found[0]

    def _first_free(self) -> Lane:
        """The first lane that is neither crowded nor held up or, if all are, the least crowded."""
        for lane in self._lanes:
            if lane.is_free:
                return lane
        return min(self._lanes, key=lambda lane: lane.requests_waiting)

    def _check_room(self, wanted: int) -> None:
        if not self._is_open:
            raise ClosedError("the service is going down; nothing was booked")
        if self.waiting + wanted > self._queue_max:
            raise BusyError(1_000)

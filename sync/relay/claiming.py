"""Putting the next request together: who is to be told what, mapped, packed and written down.

The one hard idea: it is one transaction that ends before anything is sent. What it leaves behind
says who is sending what and until when; if the sender dies, somebody else finds that out by the
clock, and the worst that can have happened is known: the request was sent or it was not.

Mapping happens here and not on receipt, so a mended mapping holds for all that still waits.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from ledger.connection import Connection
from sync.relay import standing, waiting
from sync.relay.bulks import add_bulk
from sync.relay.dictionary import add_names, load_lexicon
from sync.relay.documents import UnreadableError, read_document
from sync.relay.intake import MESSAGES, Reason
from sync.relay.mapping.elements import Element, ElementKind, customer_element
from sync.relay.mapping.lexicon import Learner, Lexicon
from sync.relay.mapping.mapper import Mapped, Occurrence, Unmappable, mapped
from sync.relay.mapping.packing import Piece, Room, packed
from sync.relay.mapping.values import Value
from sync.relay.register import DestinationRecord, Register, SourceId
from sync.relay.standing import Allowance
from sync.relay.waiting import SetAside, WaitingEvent

CUSTOMERS_MAX: Final = 500
"""Customers looked at for one request."""

EACH_MAX: Final = 50
"""Events of one customer in one request."""

ELEMENT_BYTES_MIN: Final = 150
"""No event is written shorter."""

FIRST_LOOK: Final = 20
"""Of how many customers is read first what waits; of twice as many each time that is too little."""

TRIAL_ELEMENTS_MAX: Final = 10
"""Of a request that only tries whether a destination answers again."""

LEASE_MARGIN_SECONDS: Final = 15.0
"""How much longer than its answer may take a request is believed to be under way."""

AHEAD_SECONDS_MAX: Final = 2.0
"""No request is put together that would have to wait longer for its turn."""

CONTESTED_MAX: Final = 5
"""How often events are mapped anew because another replica chose a name's type first."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """What a piece of a request is: an event, or the customer's attributes as of it."""

    event: WaitingEvent
    kind: ElementKind
    name: str
    as_of: datetime
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """A request that is to be sent.

    Attributes:
        bulk: Its id.
        wait: How long to wait until it is its turn.
        lease_until: After which others may take it that its sender has died.
    """

    bulk: UUID
    pieces: tuple[Piece[Part], ...]
    wait: timedelta
    lease_until: datetime

    @property
    def elements(self) -> list[Element]:
        """What is sent."""
        return [piece.element for piece in self.pieces]

    @property
    def customers(self) -> list[str]:
        """Whose it is, each once."""
        return list(dict.fromkeys(piece.owner.event.customer for piece in self.pieces))

    @property
    def events(self) -> list[UUID]:
        """Of which events it holds anything, each once."""
        return list(dict.fromkeys(piece.owner.event.id for piece in self.pieces))


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is to be sent.

    Attributes:
        until: When it is worth looking again; `None` for soon.
    """

    until: datetime | None = None


class Prepared(NamedTuple):
    """What putting a request together came to.

    Attributes:
        memory: What to `remember` once the transaction is committed.
        set_aside: By source, events that were found which can't be sent.
    """

    found: Claim | Nothing
    memory: Lexicon | None = None
    set_aside: tuple[SourceId, ...] = ()


class Claimer:
    """Puts requests to one destination together; keeps in mind the names it was sent."""

    def __init__(self, register: Register, destination: DestinationRecord) -> None:
        self._register = register
        self._destination = destination
        self._lexicon: Lexicon | None = None
        options = destination.settings.options
        self._allowance = Allowance(
            60 / destination.settings.events_per_minute,
            60 / destination.settings.customers_per_minute,
        )
        self._room = Room(
            destination.settings.request_bytes_max,
            1 if options.single else options.bulk_elements_max,
        )

    async def claim(self, connection: Connection, bulk: UUID, now: datetime) -> Prepared:
        """Put the next request together, inside the caller's transaction.

        Args:
            connection: In a transaction.
            bulk: The request's id, should there be one.
            now: The wires' clock.
        """
        number, options = self._destination.id, self._destination.settings.options
        found = await standing.read(connection, number)
        closed_until, free_at = found.standing.closed_until, found.free_at
        if closed_until is not None and closed_until > now:
            return Prepared(Nothing(closed_until))
        if free_at is not None and free_at > now + timedelta(seconds=AHEAD_SECONDS_MAX):
            return Prepared(Nothing(free_at - timedelta(seconds=AHEAD_SECONDS_MAX / 2)))
        lease = timedelta(seconds=options.answer_seconds + LEASE_MARGIN_SECONDS)
        room, customers_max = self._room, CUSTOMERS_MAX
        if found.standing.tries(options):
            if not await standing.may_try(connection, number, now, now + lease):
                return Prepared(Nothing(now + lease))
            room = Room(room.bytes_max, min(room.elements_max, TRIAL_ELEMENTS_MAX))
            customers_max = TRIAL_ELEMENTS_MAX
        elif options.single:
            customers_max = 1
        customers = await waiting.pick(connection, number, now, customers_max)
        if not customers:
            return Prepared(Nothing())
        chosen, writer = await self._choose(connection, customers, room, now)
        await waiting.set_aside(connection, writer.aside, now)
        await waiting.write_as_of(connection, number, _written(chosen))
        if writer.emptied:
            await waiting.end(connection, number, writer.emptied)
        memory, aside = self._learnt(writer.learner), tuple(one.source for one in writer.aside)
        if not chosen:
            return Prepared(Nothing(), memory, aside)
        events = sum(piece.element.kind is ElementKind.EVENT for piece in chosen)
        wait = await standing.reserve(
            connection, number, now, events, len(chosen) - events, self._allowance
        )
        claim = Claim(bulk, tuple(chosen), wait, now + wait + lease)
        await add_bulk(
            connection,
            bulk,
            number,
            now,
            claim.lease_until,
            claim.events,
            len(chosen),
            sum(len(piece.element.body) for piece in chosen),
        )
        await waiting.claim(connection, number, claim.customers, bulk)
        return Prepared(claim, memory, aside)

    def remember(self, lexicon: Lexicon | None) -> None:
        """Keep names in mind that were stored; to be called after the transaction."""
        if lexicon is not None:
            self._lexicon = lexicon

    def forget(self) -> None:
        """Read the names anew next time: the transaction failed."""
        self._lexicon = None

    def _learnt(self, learner: Learner) -> Lexicon | None:
        if self._lexicon is None:
            return None
        return self._lexicon.learnt(learner.learned) if learner.learned else None

    async def _waiting(
        self, connection: Connection, customers: Sequence[str], room: Room
    ) -> dict[str, list[WaitingEvent]]:
        """What waits for the first of these customers, at least as much as there is room for."""
        wanted = min(room.elements_max, room.bytes_max // ELEMENT_BYTES_MIN)
        events: dict[str, list[WaitingEvent]] = {}
        some, begin, count = FIRST_LOOK, 0, 0
        while begin < len(customers) and count < wanted:
            found = await waiting.events_of(
                connection, self._destination.id, customers[begin : begin + some], EACH_MAX
            )
            events |= found
            count += sum(map(len, found.values()))
            begin, some = begin + some, some * 2
        return events

    async def _choose(
        self, connection: Connection, customers: Sequence[str], room: Room, now: datetime
    ) -> tuple[list[Piece[Part]], "_Writer"]:
        """The pieces of the request, and who mapped them."""
        number = self._destination.id
        limits = self._destination.settings.limits
        events = await self._waiting(connection, customers, room)
        as_of = await waiting.attributes_as_of(connection, number, customers)
        for _ in range(CONTESTED_MAX):
            if self._lexicon is None:
                self._lexicon = await load_lexicon(connection, number, limits)
            learner = Learner(self._lexicon)
            writer = _Writer(self._register, self._destination, learner, dict(as_of), now)
            chosen = packed(writer.queues(events), room)
            if await add_names(connection, number, learner.learned):
                return chosen, writer
            # Another replica was first with a name: what it chose holds.
            self._lexicon = None
        raise RuntimeError(f"names were contested {CONTESTED_MAX} times")


class _Writer:
    """Maps events, customer by customer, as long as somebody asks for more."""

    def __init__(
        self,
        register: Register,
        destination: DestinationRecord,
        learner: Learner,
        as_of: dict[tuple[str, str], datetime],
        now: datetime,
    ) -> None:
        self._register = register
        self._destination = destination
        self.learner = learner
        self._as_of = as_of
        self._now = now
        self.aside: list[SetAside] = []
        self.emptied: list[str] = []

    def queues(self, events: dict[str, list[WaitingEvent]]) -> Iterator[Sequence[Piece[Part]]]:
        """The pieces of each customer, in order."""
        for customer, queue in events.items():
            pieces = [piece for event in queue for piece in self._pieces(event)]
            if pieces:
                yield pieces
            else:
                self.emptied.append(customer)

    def _pieces(self, event: WaitingEvent) -> list[Piece[Part]]:
        source = self._register.source(event.source)
        if source is None:
            return self._set_aside(event, Reason.SOURCE_GONE, MESSAGES[Reason.SOURCE_GONE])
        if event.payload is None:
            return self._set_aside(event, Reason.ERASED, MESSAGES[Reason.ERASED])
        try:
            document = read_document(event.payload)
        except UnreadableError as problem:
            return self._set_aside(event, Reason.UNREADABLE, f"the message {problem}")
        at = event.occurred_at or event.received_at
        try:
            told = source.settings.module.tell(document)
            found = mapped(
                told,
                document,
                Occurrence(event.id, event.customer, at),
                source.settings.style(self._destination.settings),
                self.learner,
                self._now,
            )
        except Exception as problem:
            # One event that the mapping stumbles over must not hold back a whole destination.
            logger.exception("relay event=%s can't be mapped", event.id)
            said = f"the mapping failed with {type(problem).__name__}; the log says more"
            return self._set_aside(event, Reason.UNMAPPABLE, said)
        if isinstance(found, Unmappable):
            return self._set_aside(event, Reason(found.reason), found.message)
        pieces = self._profile(event, found, told.profile_at or at)
        part = Part(event, ElementKind.EVENT, found.name, at)
        pieces.append(Piece(part, found.event, event.portion))
        return pieces

    def _profile(self, event: WaitingEvent, found: Mapped, as_of: datetime) -> list[Piece[Part]]:
        """The customer's attributes that are newer than what was written of them last."""
        if event.profile_sent:
            return []
        as_of = min(as_of, self._now)
        newer: list[tuple[str, Value]] = []
        for name, value in found.profile:
            known = self._as_of.get((event.customer, name))
            if known is None or known <= as_of:
                newer.append((name, value))
                self._as_of[event.customer, name] = as_of
        if not newer:
            return []
        settings = self._destination.settings
        element = customer_element(
            event.id,
            event.customer,
            newer,
            update_existing_only=not settings.options.create_customers,
            bytes_max=settings.element_bytes_max,
        )
        part = Part(
            event, ElementKind.CUSTOMER, found.name, as_of, tuple(name for name, _ in newer)
        )
        return [Piece(part, element, event.portion)]

    def _set_aside(self, event: WaitingEvent, reason: Reason, message: str) -> list[Piece[Part]]:
        self.aside.append(SetAside(event.id, event.source, reason, message))
        return []


def _written(pieces: Sequence[Piece[Part]]) -> dict[tuple[str, str], datetime]:
    written: dict[tuple[str, str], datetime] = {}
    for piece in pieces:
        for name in piece.owner.attributes:
            written[piece.owner.event.customer, name] = piece.owner.as_of
    return written

"""Driving the posting path: requests made beforehand, handed over in batches by several callers.

The one hard idea: what is measured is from handing a batch over to having its outcomes, everything
between included; making the requests is not. A transaction's latency is that of the batch it came
with, since nobody has its outcome before.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from time import perf_counter
from typing import Final

from benchmarks.filling import contact
from benchmarks.ground import DEFINITION, TENANT
from benchmarks.processor import Processor
from ledger.amounts import Points
from ledger.group_commit import GroupCommit
from ledger.identity import ContactId, DefinitionId, TenantId
from ledger.outcomes import Booked, Outcome, Replayed
from ledger.posting import BATCH_MAX, Books
from ledger.requests import Capture, Earn, Hold, Redeem, Request, Return, Reverses

CALLERS: Final = 8
"""Callers with a batch under way at the same time."""


class NotBookedError(RuntimeError):
    """Something was refused that had to be booked: the figure would mean nothing."""


WAIT_MILLISECONDS_MAX: Final = 300_000
"""Books that begin on a cold disk are slow, which is measured, not turned away."""


@dataclass(frozen=True, slots=True)
class Drive:
    """What driving came to.

    Attributes:
        seconds: From the first batch handed over to the last outcome.
        waits: Of each batch, in seconds.
        began_at: The database's clock before.
    """

    transactions: int
    seconds: float
    waits: tuple[float, ...]
    outcomes: tuple[Outcome, ...]
    began_at: datetime
    processor: Processor

    @property
    def rate(self) -> float:
        """Transactions a second."""
        return self.transactions / self.seconds


class Maker:
    """Makes requests; the same seed makes the same."""

    def __init__(self, books: Books, contacts: int, seed: int) -> None:
        definition = books.catalogue.definition(books.catalogue.tenants[TENANT].id, DEFINITION)
        if definition is None:
            raise LookupError("the points that benchmarks post are not declared")
        self.tenant: TenantId = books.catalogue.tenants[TENANT].id
        self.definition: DefinitionId = definition.id
        self._random = random.Random(seed)
        self._contacts = [contact(number) for number in range(1, contacts + 1)]
        self._prefix = f"{seed}"
        self._count = 0

    def key(self) -> str:
        """A key that is new."""
        self._count += 1
        return f"{self._prefix}-{self._count}"

    def anyone(self) -> ContactId:
        """A contact at random."""
        return self._random.choice(self._contacts)

    def chance(self) -> float:
        """A number from 0 up to 1."""
        return self._random.random()

    def earn(self, of: ContactId) -> Earn:
        """A purchase."""
        key = self.key()
        return Earn(
            tenant=self.tenant,
            contact=of,
            definition=self.definition,
            idempotency_key=key,
            fingerprint=_fingerprint(key),
            source="pos",
            amount=Points(self._random.randint(10, 999)),
            description=f"Purchase {self._count:06}",
        )

    def redeem(self, of: ContactId) -> Redeem:
        """Points spent, few enough to be there."""
        key = self.key()
        return Redeem(
            tenant=self.tenant,
            contact=of,
            definition=self.definition,
            idempotency_key=key,
            fingerprint=_fingerprint(key),
            source="pos",
            amount=Points(self._random.randint(1, 9)),
            description=f"Reward {self._count:06}",
        )

    def hold_and_capture(self, of: ContactId) -> tuple[Hold, Capture]:
        """Points set aside, and spent."""
        key, later = self.key(), self.key()
        hold = Hold(
            tenant=self.tenant,
            contact=of,
            definition=self.definition,
            idempotency_key=key,
            fingerprint=_fingerprint(key),
            source="shop",
            amount=Points(self._random.randint(1, 9)),
        )
        capture = Capture(
            tenant=self.tenant,
            contact=of,
            definition=self.definition,
            idempotency_key=later,
            fingerprint=_fingerprint(later),
            source="shop",
            hold=Reverses(idempotency_key=key),
        )
        return hold, capture

    def give_back(self, earn: Earn) -> Return:
        """A purchase taken back in part."""
        key = self.key()
        return Return(
            tenant=self.tenant,
            contact=earn.contact,
            definition=self.definition,
            idempotency_key=key,
            fingerprint=_fingerprint(key),
            source="pos",
            reverses=Reverses(idempotency_key=earn.idempotency_key),
            amount=Points(1),
        )


def _fingerprint(key: str) -> bytes:
    return sha256(key.encode()).digest()[:16]


RequestsOf = Callable[[Maker, int], list[Request]]
"""Makes the requests of one round."""


def earns(maker: Maker, count: int) -> list[Request]:
    """Purchases of contacts drawn at random, each as likely as any other."""
    return [maker.earn(maker.anyone()) for _ in range(count)]


class Mixture:
    """65 % earn, 20 % redeem, 5 % hold and capture, 5 % return, 5 % repeats of known keys.

    What refers to something earlier comes some thousand requests after it, as far as the rounds
    reach: what it refers to is in the books, and not in the same batch.
    """

    def __init__(self, distance: int) -> None:
        self._distance = distance
        self._known: deque[Earn] = deque()
        self._placed: deque[Capture] = deque()

    def __call__(self, maker: Maker, count: int) -> list[Request]:
        """The requests of one round."""
        return [self._next(maker) for _ in range(count)]

    def _next(self, maker: Maker) -> Request:
        chance = maker.chance()
        if chance < 0.20:
            return maker.redeem(maker.anyone())
        if chance < 0.225:
            hold, capture = maker.hold_and_capture(maker.anyone())
            self._placed.append(capture)
            return hold
        if chance < 0.25 and len(self._placed) > self._distance // 40:
            return self._placed.popleft()
        if chance < 0.35 and len(self._known) > self._distance:
            earlier = self._known.popleft()
            return maker.give_back(earlier) if chance < 0.30 else earlier
        earn = maker.earn(maker.anyone())
        self._known.append(earn)
        return earn


async def drive(
    books: Books,
    requests: Sequence[Request],
    *,
    lanes: int,
    callers: int = CALLERS,
    batch: int = BATCH_MAX,
    must_book: bool = True,
) -> Drive:
    """Post requests through the lanes: each caller hands over a batch, and the next when it's done.

    Raises `NotBookedError` where something was refused, unless that may be.
    """
    batches = deque(requests[start : start + batch] for start in range(0, len(requests), batch))
    waits: list[float] = []
    outcomes: list[Outcome] = []
    poster = GroupCommit(
        books,
        lanes=lanes,
        queue_max=callers * batch * 2,
        wait_milliseconds_max=WAIT_MILLISECONDS_MAX,
    )
    async with poster:

        async def call() -> None:
            while batches:
                part = batches.popleft()
                began = perf_counter()
                outcomes.extend(await poster.post_batch(part, atomic=False))
                waits.append(perf_counter() - began)

        began_at = await books.pool.fetchval("select clock_timestamp()")
        before = await Processor.now(books.pool)
        started = perf_counter()
        await asyncio.gather(*(call() for _ in range(callers)))
        seconds = perf_counter() - started
        used = (await Processor.now(books.pool)).since(before)
    if must_book:
        require_booked(outcomes)
    return Drive(len(requests), seconds, tuple(waits), tuple(outcomes), began_at, used)


def require_booked(outcomes: Sequence[Outcome]) -> None:
    """Raise `NotBookedError` where an outcome is a refusal."""
    refused = [one for one in outcomes if not isinstance(one, Booked | Replayed)]
    if refused:
        raise NotBookedError(f"{len(refused)} of {len(outcomes)} refused, such as {refused[0]}")

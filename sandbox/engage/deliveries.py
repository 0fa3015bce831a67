"""Delivering messages as Svix does: at least once, in no promised order, until a 2xx.

Every attempt goes out with a fresh time stamp and signature and the same id and bytes. The plan of
pauses spans more than a day in life; a setting scales it, so that a test sees eight attempts in a
second. What happened to each message is kept to be looked at, and any of them can be sent again by
hand, which is how lost ones are recovered.

Not played: an endpoint that fails for five days is not switched off.
"""

import asyncio
import enum
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import msgspec

from sandbox.engage.settings import WebhookSettings
from sandbox.engage.webhooks import Envelope, Tamper, message_id, sent_body, signed_headers

ABORT_HEADER: Final = "webhook-delivery"
ABORT_VALUE: Final = "abort-message"
ANSWER_CHARACTERS_MAX: Final = 500
ATTEMPTS_KEPT_MAX: Final = 100


class DeliveryState(enum.Enum):
    """Where a message stands."""

    WAITING = "waiting"
    """For its first or its next attempt."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """All attempts failed; it can be sent again by hand."""
    ABORTED = "aborted"
    """The receiver asked for no further attempts."""


class Attempt(msgspec.Struct, frozen=True, rename="camel"):
    """One try."""

    at: datetime
    milliseconds: float
    status: int | None
    """None: no answer came."""
    answer: str
    """The beginning of the answer, or why there was none."""


class Delivery(msgspec.Struct, rename="camel"):
    """One message and what became of it."""

    number: int
    message_id: str
    envelope_id: str
    event_type: str
    tamper: Tamper
    state: DeliveryState
    body: bytes
    payload: Any
    attempts: list[Attempt] = []

    def shown(self, *, bodies: bool) -> dict[str, Any]:
        """The delivery for people; the body as it was sent, only when asked for."""
        shown = msgspec.to_builtins(self)
        del shown["body"], shown["payload"]
        if bodies:
            shown["body"] = self.body.decode("utf-8", errors="replace")
            shown["payload"] = self.payload
        return dict(shown)


class Deliveries:
    """The messages that were made, and the attempts to hand them over."""

    def __init__(self, settings: Callable[[], WebhookSettings], kept_max: int) -> None:
        self.by_number: OrderedDict[int, Delivery] = OrderedDict()
        self.counts: dict[DeliveryState, int] = dict.fromkeys(DeliveryState, 0)
        self._settings = settings
        """Asked anew for each attempt: a changed address or secret holds from the next one on."""
        self._kept_max = kept_max
        self._last_number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None
        self._turns = asyncio.Semaphore(1)
        self._turns_of = 1

    def forget(self) -> None:
        """Stop all attempts and drop all messages, delivered or not; numbers go on."""
        for task in self._tasks:
            task.cancel()
        self.by_number.clear()
        self.counts = dict.fromkeys(DeliveryState, 0)

    async def close(self) -> None:
        """Stop all attempts and let the connections go."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()

    def add(self, envelope: Envelope, tamper: Tamper = Tamper.NONE) -> list[Delivery]:
        """Make the messages for an envelope and start delivering them.

        Returns:
            One message; two where the forgery is a repetition.
        """
        first = self._new(envelope, message_id(), tamper)
        made = [first]
        if tamper is Tamper.DUPLICATE_DELIVERY:
            made.append(self._new(envelope, first.message_id, tamper))
        elif tamper is Tamper.SAME_ENVELOPE_NEW_ID:
            made.append(self._new(envelope, message_id(), tamper))
        for delivery in made:
            self._start(delivery, self._settings().retry_seconds)
        return made

    def resend(self, delivery: Delivery) -> None:
        """Try once more, at once, with the same message id."""
        self._start(delivery, (0.0,))

    async def settled(self, deliveries: list[Delivery], seconds: float) -> bool:
        """Wait until each delivery has had an attempt; False when the time was up first."""
        deadline = time.monotonic() + seconds
        while not all(delivery.attempts for delivery in deliveries):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.01)
        return True

    @property
    def undelivered(self) -> int:
        """Messages that wait or were given up."""
        return sum(self.counts.values()) - self.counts[DeliveryState.DELIVERED]

    def latest(self, count: int, state: DeliveryState | None = None) -> list[Delivery]:
        """Up to `count` deliveries, newest first."""
        found: list[Delivery] = []
        for delivery in reversed(self.by_number.values()):
            if len(found) >= count:
                break
            if state is None or delivery.state is state:
                found.append(delivery)
        return found

    def _new(self, envelope: Envelope, message: str, tamper: Tamper) -> Delivery:
        self._last_number += 1
        delivery = Delivery(
            number=self._last_number,
            message_id=message,
            envelope_id=envelope.id,
            event_type=envelope.event_type,
            tamper=tamper,
            state=DeliveryState.WAITING,
            body=envelope.body,
            payload=envelope.payload,
        )
        self.by_number[delivery.number] = delivery
        self.counts[DeliveryState.WAITING] += 1
        while len(self.by_number) > self._kept_max:
            _, forgotten = self.by_number.popitem(last=False)
            self.counts[forgotten.state] -= 1
        return delivery

    def _start(self, delivery: Delivery, pauses: tuple[float, ...]) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(delivery, pauses))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, delivery: Delivery, pauses: tuple[float, ...]) -> None:
        for pause in pauses:
            await asyncio.sleep(pause * self._settings().retry_scale)
            async with self._turn():
                state = await self._attempt(delivery, self._settings())
            if state is not None:
                self._set_state(delivery, state)
                return
        self._set_state(delivery, DeliveryState.FAILED)

    async def _attempt(self, delivery: Delivery, settings: WebhookSettings) -> DeliveryState | None:
        """Try once; None when it has to be tried again."""
        started = time.perf_counter()
        at = datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "Svix-Webhooks/sandbox",
            **settings.headers,
            **signed_headers(
                delivery.message_id, delivery.body, int(at.timestamp()), settings, delivery.tamper
            ),
        }
        status: int | None = None
        state: DeliveryState | None = None
        try:
            response = await self._open().post(
                settings.url or "",
                content=sent_body(delivery.body, delivery.tamper),
                headers=headers,
                timeout=settings.timeout_seconds,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            answer = f"{type(error).__name__}: {error}"
        else:
            status, answer = response.status_code, response.text
            if 200 <= status < 300:
                state = DeliveryState.DELIVERED
            elif response.headers.get(ABORT_HEADER) == ABORT_VALUE:
                state = DeliveryState.ABORTED
        attempt = Attempt(
            at,
            round((time.perf_counter() - started) * 1000, 3),
            status,
            answer[:ANSWER_CHARACTERS_MAX],
        )
        delivery.attempts.append(attempt)
        del delivery.attempts[:-ATTEMPTS_KEPT_MAX]
        return state

    def _set_state(self, delivery: Delivery, state: DeliveryState) -> None:
        if delivery.number in self.by_number:
            self.counts[delivery.state] -= 1
            self.counts[state] += 1
        delivery.state = state

    def _turn(self) -> asyncio.Semaphore:
        """The queue for connections; a changed setting starts a new one."""
        wanted = self._settings().concurrency_max
        if wanted != self._turns_of:
            self._turns_of = wanted
            self._turns = asyncio.Semaphore(wanted)
        return self._turns

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                limits=httpx.Limits(max_connections=200, max_keepalive_connections=50),
                follow_redirects=False,
                trust_env=False,
            )
        return self._client

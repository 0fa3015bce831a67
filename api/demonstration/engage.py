"""The Engage of the demo, seen from the side of those who work in it: its control address.

A shop's people register members in Engage, look at their points and change some of them; the
stand-in offers all that at an address of its own. The one hard idea: an adjustment of the demo has
the same id in every run, so a second run tells the service of the same events again, and the books
must know them.
"""

import asyncio
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID, uuid5

import httpx
import msgspec

from api.demonstration.folder import DEFINITION, TENANT
from api.demonstration.shop import Customer

Document = TypeVar("Document")

CONTROL: Final = "/_sandbox"
ANSWER_SECONDS_MAX: Final = 120.0
LOGS_AT_ONCE: Final = 8
DELIVERY_SECONDS_MAX: Final = 30.0
LOOK_SECONDS: Final = 0.1
DELIVERIES_LOOKED_AT: Final = 100
DELIVERED: Final = "delivered"
WAITING: Final = "waiting"

EVENTS: Final = UUID("7f1c5c0e-6b0b-4c6c-9a51-2d3f4b1b8a90")
"""The namespace of the adjustments' ids; any fixed one would do."""


class EngageError(Exception):
    """The stand-in did not do what it was asked; the message says what it answered."""


class EngageAdjustment(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A change of points that is made in Engage.

    Attributes:
        amount: Whole points, with their sign.
        kind: `manual` by a person, or `automation`.
        event_id: The same for the same event, however often it is told.
    """

    contact_id: str
    amount: int
    kind: str
    description: str
    event_id: str
    point_definition_id: int = DEFINITION
    user_id: str = "shop-office"
    user_name: str = "Customer service"
    reason: str = "Birthday"
    process_id: str = "birthday"
    workflow_id: str = "birthday"
    workflow_name: str = "Birthday greetings"


class LogsAsked(msgspec.Struct, frozen=True, rename="camel"):
    """What asking for points logs brought.

    Attributes:
        problems: What was not as Voyado's page wants it.
        sums: Of each contact's log.
    """

    asked: int
    rows: int
    without_problems: int
    problems: tuple[str, ...]
    sums: dict[str, Decimal]


class _Account(msgspec.Struct, frozen=True, rename="camel"):
    contact_id: str
    balance: Decimal


class _Attempt(msgspec.Struct, frozen=True):
    status: int | None
    answer: str


class _Delivery(msgspec.Struct, frozen=True):
    number: int
    state: str
    attempts: tuple[_Attempt, ...]

    def trouble(self) -> str:
        """Why it has not arrived."""
        last = self.attempts[-1] if self.attempts else _Attempt(None, "not sent yet")
        return f"message {self.number} is {self.state}: {last.status or ''} {last.answer}"


class _Deliveries(msgspec.Struct, frozen=True):
    deliveries: tuple[_Delivery, ...]


class _Findings(msgspec.Struct, frozen=True):
    counts: dict[str, int]


class _Second(msgspec.Struct, frozen=True):
    second: int
    requests: int


class _Rate(msgspec.Struct, frozen=True, rename="camel"):
    busy_seconds: tuple[_Second, ...]


class _Summary(msgspec.Struct, frozen=True):
    rate: tuple[_Rate, ...]


def adjustments_of(customers: Sequence[Customer]) -> tuple[EngageAdjustment, ...]:
    """What happens in Engage during the demo: to its first four customers, always the same."""
    planned = (
        (500, "manual", "Goodwill after a late delivery"),
        (100, "automation", "Birthday points"),
        (-25, "manual", "Correction"),
        (50, "automation", "Birthday points"),
    )
    return tuple(
        EngageAdjustment(
            contact_id=customer.contact,
            amount=amount,
            kind=kind,
            description=description,
            event_id=str(uuid5(EVENTS, customer.number)),
        )
        for customer, (amount, kind, description) in zip(customers, planned, strict=False)
    )


class EngageDesk:
    """The stand-in Engage's control address."""

    def __init__(self, address: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=address,
            timeout=ANSWER_SECONDS_MAX,
            trust_env=False,
            verify=False,  # noqa: S501 - plain HTTP on this machine; loading certificates takes time
        )

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()

    async def register(self, customers: Sequence[Customer]) -> None:
        """Have customers as contacts, whose key is the member number."""
        contacts = [{"id": one.contact, "customKey": one.number} for one in customers]
        await self._ask(dict[str, Any], "POST", "/contacts", {"contacts": contacts})

    async def introduce(self, service: str) -> None:
        """Tell Engage where the point master is: for adjustments and for points logs."""
        addresses = {
            "webhook": {"url": f"{service}/engage/{TENANT}/webhooks"},
            "pointsLog": {"url": f"{service}/engage/{TENANT}/points-log"},
        }
        await self._ask(dict[str, Any], "PUT", "/settings", addresses)

    async def adjust(self, adjustment: EngageAdjustment, *, twice: bool) -> list[str]:
        """Make an adjustment and wait until the service took it; what went wrong, if anything.

        Args:
            adjustment: What is made.
            twice: Deliver the message a second time, as networks do.
        """
        body = {
            "adjustments": [adjustment],
            "tamper": "duplicate-delivery" if twice else "none",
            "encrypted": True,
            "waitSeconds": DELIVERY_SECONDS_MAX,
        }
        sent = (await self._ask(_Deliveries, "POST", "/adjustments", body)).deliveries
        numbers = {one.number for one in sent}
        deadline = time.monotonic() + DELIVERY_SECONDS_MAX
        while any(one.state == WAITING for one in sent) and time.monotonic() < deadline:
            await asyncio.sleep(LOOK_SECONDS)
            found = await self._ask(_Deliveries, "GET", f"/deliveries?count={DELIVERIES_LOOKED_AT}")
            sent = tuple(one for one in found.deliveries if one.number in numbers)
        return [one.trouble() for one in sent if one.state != DELIVERED]

    async def balances(self) -> dict[str, Decimal]:
        """What every contact has who has an account, by contact id."""
        found = await self._ask(list[_Account], "GET", f"/balances?definition={DEFINITION}")
        return {account.contact_id: account.balance for account in found}

    async def read_logs(self, contacts: Sequence[str]) -> LogsAsked:
        """Ask for these contacts' points logs, as Engage does when somebody looks at a contact."""
        wanted = {"contactIds": contacts, "concurrency": LOGS_AT_ONCE, "sums": True}
        return await self._ask(LogsAsked, "POST", "/points-log/all", wanted)

    async def objections(self) -> dict[str, int]:
        """What a careful point master would not have done, and how often it was done."""
        noticed = dict((await self._ask(_Findings, "GET", "/findings")).counts)
        busy = sum(len(rate.busy_seconds) for rate in (await self._ask(_Summary, "GET", "")).rate)
        return noticed | ({"seconds-with-more-than-50-requests": busy} if busy else {})

    async def _ask(
        self, wanted: type[Document], method: str, path: str, body: object = None
    ) -> Document:
        content = None if body is None else msgspec.json.encode(body)
        try:
            answer = await self._client.request(method, f"{CONTROL}{path}", content=content)
        except httpx.TransportError as problem:
            trouble = f"{type(problem).__name__} {problem}"
            raise EngageError(f"{method} {path} got no answer: {trouble}") from None
        if not answer.is_success:
            raise EngageError(f"{method} {path} was answered {answer.status_code}: {answer.text}")
        return msgspec.json.decode(answer.content, type=wanted)

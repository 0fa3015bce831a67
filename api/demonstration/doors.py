"""The service's doors as the shop uses them: over HTTP, with a key, and patiently.

The one hard idea: whoever posts points must be able to send the same again after any failure. So a
request that got no answer, or "not at this moment", is simply repeated, the same bytes with the
same idempotency keys, until it is answered or a minute has passed. Nothing else is repeated.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import httpx
import msgspec

from api.demonstration.folder import DEFINITION, TENANT
from api.documents.balances import BalancesDocument
from api.documents.finance import TrialBalanceDocument
from api.documents.following import StatusDocument
from api.documents.sync import RunDocument
from api.documents.transactions import (
    BatchDocument,
    OutcomeDocument,
    TransactionDocument,
    TransactionPage,
)
from ledger.kinds import LedgerAccount

Document = TypeVar("Document")

PATIENCE_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 0.1
PAUSE_SECONDS_MAX: Final = 2.0
ANSWER_SECONDS_MAX: Final = 60.0
PAGE: Final = 200
CONNECTIONS: Final = 16

COME_AGAIN: Final = frozenset({429, 503})
"""What the service answers when it can't at this moment."""

BUCKETS: Final = {one.word: one for one in LedgerAccount if one.is_bucket}


class DoorError(Exception):
    """The service did not do what it was asked; the message says what it answered."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What a customer has, in whole points.

    Attributes:
        available: What can be spent.
        net: All of it, points owed counted against the others.
    """

    available: int
    net: int


class Doors:
    """The service, for whoever has a key to it."""

    def __init__(self, address: str, key: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=address,
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            timeout=ANSWER_SECONDS_MAX,
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            trust_env=False,
            verify=False,  # noqa: S501 - plain HTTP on this machine; loading certificates takes time
        )

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()

    async def is_open(self) -> bool:
        """Whether the key opens anything, once the service is ready."""
        ready = await self._send("GET", "/health/ready")
        if ready.status_code != httpx.codes.OK:
            raise DoorError(f"the service is not ready: {ready.text}")
        tried = await self._send("GET", f"/v1/sync/{TENANT}/status")
        return tried.status_code != httpx.codes.UNAUTHORIZED

    async def post(self, requests: Sequence[bytes]) -> tuple[OutcomeDocument, ...]:
        """Post up to 1000 transactions; one outcome for each, in order."""
        body = b'{"transactions":[' + b",".join(requests) + b"]}"
        batch = await self._ask(BatchDocument, "POST", "/v1/transactions/batch", content=body)
        return batch.outcomes

    async def balance(self, contact: str) -> Balance:
        """What a customer has at this moment."""
        found = await self._ask(
            BalancesDocument,
            "GET",
            f"/v1/contacts/{contact}/balances",
            params={"definitionId": DEFINITION},
        )
        [account] = found.balances
        available, pending, held, debt = (
            whole(amount)
            for amount in (account.available, account.pending, account.held, account.debt)
        )
        return Balance(available, available + pending + held - debt)

    async def transactions(self, contact: str) -> AsyncIterator[TransactionDocument]:
        """All that ever happened to a customer's points, the last first."""
        parameters: dict[str, str | int] = {"limit": PAGE, "definitionId": DEFINITION}
        while True:
            page = await self._ask(
                TransactionPage, "GET", f"/v1/contacts/{contact}/transactions", params=parameters
            )
            for transaction in page.transactions:
                yield transaction
            if not page.next_cursor:
                return
            parameters["cursor"] = page.next_cursor

    async def trial_balance(self) -> TrialBalanceDocument:
        """Both sides of the books at this moment."""
        return await self._ask(TrialBalanceDocument, "GET", "/v1/finance/trial-balance")

    async def sync(self, wait_seconds: float) -> RunDocument:
        """Have Engage told of all that changed, and wait until it has it."""
        body = msgspec.json.encode({"waitSeconds": wait_seconds})
        timeout = wait_seconds + ANSWER_SECONDS_MAX
        path = f"/v1/sync/{TENANT}/runs"
        return await self._ask(RunDocument, "POST", path, content=body, timeout=timeout)

    async def sync_status(self) -> StatusDocument:
        """How far Engage is behind."""
        return await self._ask(StatusDocument, "GET", f"/v1/sync/{TENANT}/status")

    async def _ask(
        self, wanted: type[Document], method: str, path: str, **request: Any
    ) -> Document:
        answer = await self._send(method, path, **request)
        if not answer.is_success:
            raise DoorError(f"{method} {path} was answered {answer.status_code}: {answer.text}")
        return msgspec.json.decode(answer.content, type=wanted)

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request until it is answered."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        pause = PAUSE_SECONDS
        while True:
            try:
                answer = await self._client.request(method, path, **request)
            except httpx.TransportError as problem:
                trouble = f"got no answer: {type(problem).__name__} {problem}"
            else:
                if answer.status_code not in COME_AGAIN:
                    return answer
                trouble = f"was answered {answer.status_code}: {answer.text}"
            if time.monotonic() > deadline:
                raise DoorError(f"{method} {path} {trouble}")
            await asyncio.sleep(pause)
            pause = min(2 * pause, PAUSE_SECONDS_MAX)


def whole(amount: msgspec.Raw) -> int:
    """An amount of a definition without decimals."""
    return int(bytes(amount))


def effect(transaction: TransactionDocument) -> int:
    """What a transaction did to its customer's points, points owed counted against the others."""
    moved = 0
    for transfer in transaction.transfers:
        moved += whole(transfer.amount) * (
            (transfer.credit in BUCKETS) - (transfer.debit in BUCKETS)
        )
    return moved

"""Calling Engage over HTTP.

The one hard idea: a call is made once and ends in one of five ways (`sync.engage.exchange`); what
follows from that is decided elsewhere. Nothing is retried here, redirects aren't followed, and a
POST is made only by a caller that has had its `turn` and has written down that it is about to.

Every call carries what Engage demands: the key, a user agent and a content type, reads included.
Neither keys nor addresses with contacts in them are logged.

Contract: docs/contracts/engage.md, "Every call".
"""

import asyncio
import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import httpx

from sync.engage.answers import error_message
from sync.engage.exchange import Answered, Exchange, RateLimited, Refused, Unclear, Unreached
from sync.engage.rate import Rate
from sync.engage.settings import LOOPBACK, EngageSettings

ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
RETRY_AFTER_SECONDS_MAX: Final = 3600
IDLE_SECONDS: Final = 4.0
"""How long an unused connection is kept; shorter than any server's patience."""

PAUSE_SECONDS: Final = 10.0
"""How long nobody calls after a 429 that doesn't say."""

TRANSACTIONS_PATH: Final = "/api/v2/point-accounts/transactions"
"""There is no such address in version 3; nor, as far as is published, of the two below."""

CHANGES_PATH: Final = "/api/v2/contacts/changes"
DEFINITIONS_PATH: Final = "/api/v2/point-accounts/definitions"

_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

logger = logging.getLogger(__name__)
# httpx logs whole addresses, and those of reads have a contact's id in them.
logging.getLogger("httpx").setLevel(logging.WARNING)


class EngageClient:
    """One tenant's Engage. To be opened as a context, or closed by `close`."""

    def __init__(self, settings: EngageSettings, rate: Rate) -> None:
        options = settings.options
        self._rate = rate
        self._answer_seconds = options.answer_seconds
        self._prefix = f"/api/{options.api_version}"
        at_once = options.requests_at_once + 2
        self._http = httpx.AsyncClient(
            base_url=options.base_url.rstrip("/"),
            headers={
                options.api_key_header: settings.secrets.api_key.reveal(),
                "User-Agent": options.user_agent,
                "Content-Type": "application/json",
                "Accept": "application/json",
            },
            timeout=httpx.Timeout(options.answer_seconds, connect=options.connect_seconds),
            limits=httpx.Limits(max_connections=at_once, keepalive_expiry=IDLE_SECONDS),
            follow_redirects=False,
            # A proxy of the environment is for the world outside, not for this machine.
            trust_env=urlsplit(options.base_url).hostname not in LOOPBACK,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    @property
    def balances_path(self) -> str:
        """Where totals are sent."""
        return f"{self._prefix}/point-accounts/balances"

    async def turn(self) -> None:
        """Wait for the turn that one `post` needs."""
        await self._rate.turn()

    async def post(self, path: str, body: bytes, *, idempotency_key: str | None = None) -> Exchange:
        """Send a body, once. The caller has had its turn."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return await self._call("POST", path, content=body, headers=headers)

    async def balances_status(self, identifier: str) -> Exchange:
        """Ask how far a request has come."""
        await self._rate.turn()
        return await self._call("GET", f"{self.balances_path}/status/{identifier}")

    async def transactions_of(
        self, contact: str, definition: int, *, offset: int, count: int, only: str = "All"
    ) -> Exchange:
        """Ask what Engage has of a contact's transactions; `only` is All, Active or Pending."""
        await self._rate.turn()
        params = {
            "contactId": contact,
            "definitionId": str(definition),
            "filter": only,
            "offset": str(offset),
            "count": str(count),
        }
        return await self._call("GET", TRANSACTIONS_PATH, params=params)

    async def contact_by(
        self, key: str, value: str, contact_type: str | None, *, seconds: float
    ) -> Exchange:
        """Ask which contact has something, such as a member number."""
        params = {key: value} | ({} if contact_type is None else {"contactType": contact_type})
        try:
            async with asyncio.timeout(seconds):
                await self._rate.turn()
                return await self._call("GET", f"{self._prefix}/contacts/id", params=params)
        except TimeoutError:
            return Unclear(f"no answer within {seconds:g} seconds")

    async def contact(self, contact: str) -> Exchange:
        """Ask whether Engage has a contact."""
        await self._rate.turn()
        return await self._call("GET", f"{self._prefix}/contacts/{contact}")

    async def contact_changes(self, change_type: str, since: str, until: str) -> Exchange:
        """Ask which contacts changed in a stretch of time."""
        await self._rate.turn()
        params = {"changeType": change_type, "fromDate": since, "toDate": until}
        return await self._call("GET", CHANGES_PATH, params=params)

    async def definitions(self) -> Exchange:
        """Ask which point definitions there are."""
        await self._rate.turn()
        return await self._call("GET", DEFINITIONS_PATH)

    async def accounts_of(self, contact: str) -> Exchange:
        """Ask what Engage has of a contact."""
        await self._rate.turn()
        path = f"{self._prefix}/point-accounts"
        return await self._call("GET", path, params={"contactId": contact})

    async def _call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        try:
            async with (
                asyncio.timeout(self._answer_seconds),
                self._http.stream(
                    method, path, content=content, params=params, headers=headers
                ) as response,
            ):
                body = await _read(response)
        except _NOT_SENT as error:
            return Unreached(f"no connection: {_described(error)}")
        except TimeoutError:
            return Unclear(f"no answer within {self._answer_seconds:g} seconds")
        except httpx.HTTPError as error:
            return Unclear(f"the connection broke: {_described(error)}")
        exchange = _judged(response, body)
        if isinstance(exchange, RateLimited):
            await self._rate.pause(exchange.retry_after_seconds or PAUSE_SECONDS)
        if not isinstance(exchange, Answered):
            logger.warning("engage call=%s status=%d", method, response.status_code)
        return exchange


async def _read(response: httpx.Response) -> bytes:
    """The body, as far as it is worth reading."""
    parts = bytearray()
    async for part in response.aiter_bytes():
        parts += part
        if len(parts) > ANSWER_BYTES_MAX:
            break
    return bytes(parts[:ANSWER_BYTES_MAX])


def _judged(response: httpx.Response, body: bytes) -> Exchange:
    status = response.status_code
    if 200 <= status < 300:
        return Answered(status, body, response.headers.get("location"))
    retry_after = _retry_after(response.headers.get("retry-after"))
    if status == httpx.codes.TOO_MANY_REQUESTS:
        return RateLimited(retry_after)
    message = error_message(body)
    if status >= 500:
        return Unclear(f"{status}: {message}", status, retry_after)
    return Refused(status, message)


def _retry_after(value: str | None) -> float | None:
    """Seconds of a `Retry-After`; its other form, a date, is not honoured: clocks differ."""
    if value is None or not value.strip().isdecimal():
        return None
    return float(min(int(value), RETRY_AFTER_SECONDS_MAX))


def _described(error: Exception) -> str:
    """An error on one line, without what it might quote of the request."""
    name = type(error).__name__
    if isinstance(error, httpx.LocalProtocolError) or not str(error):
        return name
    return f"{name}: {error}"[:200]

"""Calling MoEngage over HTTP.

The one hard idea: a request is made once and ends in one of six ways (`sync.relay.exchange`); what
follows is decided elsewhere. Nothing is retried here and redirects aren't followed: a body of
customers goes to the configured host and to no other.

Neither the key nor anything that was sent is logged. What MoEngage says of an error is kept, cut
short, without what it may quote of the request.

Contract: docs/contracts/moengage.md, "Every call".
"""

import asyncio
import base64
import logging
import time
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import httpx
import msgspec

from sync.relay.exchange import Exchange, Verdict, verdict_of, wait_of
from sync.relay.mapping.elements import Element, ElementKind
from sync.relay.mapping.packing import bulk_body
from sync.relay.settings import LOOPBACK, Destination

ANSWER_BYTES_MAX: Final = 64 * 1024
TROUBLE_CHARACTERS_MAX: Final = 300
IDLE_SECONDS: Final = 4.0
"""How long an unused connection is kept; shorter than any server's patience."""

_NOT_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)

logger = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)


class MoEngageClient:
    """One workspace. To be opened as a context, or closed by `close`."""

    def __init__(self, destination: Destination) -> None:
        options = destination.options
        workspace = options.workspace
        pair = f"{workspace}:{destination.key.reveal()}"
        self._destination = destination
        self._paths = {
            ElementKind.EVENT: f"/v1/event/{workspace}",
            ElementKind.CUSTOMER: f"/v1/customer/{workspace}",
        }
        self._bulk_path = f"/v1/transition/{workspace}"
        self._http = httpx.AsyncClient(
            base_url=destination.address,
            headers={
                "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
                "MOE-APPKEY": workspace,
                "Content-Type": "application/json",
                "Accept": "application/json",
                "User-Agent": "Pointmaster/0.1",
            },
            timeout=httpx.Timeout(options.answer_seconds, connect=options.connect_seconds),
            limits=httpx.Limits(
                max_connections=options.requests_at_once + 1, keepalive_expiry=IDLE_SECONDS
            ),
            follow_redirects=False,
            # A proxy of the environment is for the world outside, not for this machine.
            trust_env=urlsplit(destination.address).hostname not in LOOPBACK,
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

    async def send(self, elements: list[Element]) -> Exchange:
        """Send some elements, once: as a bulk, or the only one by itself where so configured."""
        if self._destination.options.single:
            (element,) = elements
            return await self._call(self._paths[element.kind], element.body)
        return await self._call(self._bulk_path, bulk_body(elements))

    async def check(self) -> Exchange:
        """Ask whether the workspace and its key belong together."""
        options = self._destination.options
        body = msgspec.json.encode(
            {
                "app_id": options.workspace,
                "app_secret": self._destination.key.reveal(),
                "source": "pointmaster",
                "region": options.data_centre or "",
            }
        )
        return await self._call("/v1/integrations/authentication", body)

    async def _call(self, path: str, body: bytes) -> Exchange:
        seconds = self._destination.options.answer_seconds
        try:
            async with (
                asyncio.timeout(seconds),
                self._http.stream("POST", path, content=body) as response,
            ):
                said = await _read(response)
        except _NOT_SENT as error:
            return Exchange(Verdict.UNREACHED, trouble=f"no connection: {_described(error)}")
        except TimeoutError:
            return Exchange(Verdict.UNCLEAR, trouble=f"no answer within {seconds:g} seconds")
        except httpx.HTTPError as error:
            return Exchange(Verdict.UNCLEAR, trouble=f"the connection broke: {_described(error)}")
        found = _judged(response, said)
        if found.verdict is not Verdict.ACCEPTED:
            logger.warning(
                "relay destination=%s status=%s request_id=%s",
                self._destination.name,
                found.status,
                found.request_id,
            )
        return found


async def _read(response: httpx.Response) -> bytes:
    """The body, as far as it is worth reading."""
    parts = bytearray()
    async for part in response.aiter_bytes():
        parts += part
        if len(parts) > ANSWER_BYTES_MAX:
            break
    return bytes(parts[:ANSWER_BYTES_MAX])


def _judged(response: httpx.Response, said: bytes) -> Exchange:
    status = response.status_code
    try:
        document = msgspec.json.decode(said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        document = None
    answer: dict[str, Any] = document if isinstance(document, dict) else {}
    error = answer.get("error")
    details: dict[str, Any] = error if isinstance(error, dict) else {}
    verdict = verdict_of(status, is_failure=answer.get("status") == "fail")
    request_id = answer.get("request_id") or details.get("request_id")
    return Exchange(
        verdict,
        status,
        str(request_id)[:100] if request_id else None,
        None if verdict is Verdict.ACCEPTED else _trouble(status, details),
        wait_of(
            response.headers.get("x-ratelimit-reset"),
            response.headers.get("retry-after"),
            time.time(),
        )
        if verdict is Verdict.LIMITED
        else None,
    )


def _trouble(status: int, details: dict[str, Any]) -> str:
    words = [str(details[name]) for name in ("type", "message", "attribute") if details.get(name)]
    # Where the type says all there is to say, the message says it again.
    return ": ".join([str(status), *dict.fromkeys(words)])[:TROUBLE_CHARACTERS_MAX]


def _described(error: Exception) -> str:
    """An error on one line, without what it might quote of the request."""
    name = type(error).__name__
    if isinstance(error, httpx.LocalProtocolError) or not str(error):
        return name
    return f"{name}: {error}"[:200]

"""Asking the point master for the log of a contact, and judging what comes back.

Engage shows the answer in a frame and says nothing when it does not fit, so the shape is judged
here as strictly as the page defines it: a bare array, newest first, each row with exactly
`transactionDate` (ISO 8601, UTC, `Z`), `amount` (a number) and `description`; an empty array for a
contact without points. Problems are words for people, not exceptions.
"""

import asyncio
import re
import statistics
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec

from sandbox.amounts import AmountRefusedError, read_amount
from sandbox.engage.settings import LogAuthentication, PointsLogSettings

PLACEHOLDER: Final = "{contactId}"
PROBLEMS_MAX: Final = 20
ROW_FIELDS: Final = frozenset({"transactionDate", "amount", "description"})

_UTC_TIME = re.compile(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?Z\Z")
_ROWS: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


class Log(msgspec.Struct, frozen=True, rename="camel"):
    """What one call brought."""

    contact_id: str
    url: str
    status: int | None
    """None: no answer came."""
    milliseconds: float
    rows: int
    sum: Decimal
    """Of the amounts that could be read."""
    problems: tuple[str, ...]
    body: str


class LogSummary(msgspec.Struct, frozen=True, rename="camel"):
    """What many calls brought."""

    asked: int
    without_problems: int
    rows: int
    seconds: float
    milliseconds_median: float
    milliseconds_slowest_of_20: float
    """Nineteen of twenty calls were faster."""
    problems: tuple[str, ...]
    """The first 20, each with its contact."""
    sums: dict[str, Decimal]


def log_address(settings: PointsLogSettings, contact_id: str) -> str:
    """The address for one contact.

    Raises:
        ValueError: no address is set.
    """
    if not settings.url:
        message = "pointsLog.url is not set"
        raise ValueError(message)
    shown = quote(contact_id.upper() if settings.uppercase else contact_id, safe="")
    if PLACEHOLDER in settings.url:
        return settings.url.replace(PLACEHOLDER, shown)
    joint = "&" if "?" in settings.url else "?"
    return f"{settings.url}{joint}contactId={shown}"


def judge(status: int, media_type: str, body: bytes) -> tuple[int, Decimal, tuple[str, ...]]:
    """Rows, sum of the amounts, and everything that is not as the contract says."""
    if status != 200:
        return 0, Decimal(0), (f"status {status} instead of 200",)
    problems = []
    if not media_type.lower().startswith("application/json"):
        problems.append(f"content type {media_type!r} instead of application/json")
    try:
        rows = _ROWS.decode(body)
    except msgspec.DecodeError as error:
        return 0, Decimal(0), (*problems, f"not an array of objects: {error}")
    total = Decimal(0)
    previous: str | None = None
    for place, row in enumerate(rows):
        date, amount, row_problems = _judge_row(row)
        problems.extend(f"row {place}: {problem}" for problem in row_problems)
        total += amount
        moment = None if date is None else date.removesuffix("Z")
        if moment is not None and previous is not None and moment > previous:
            problems.append(f"row {place}: is newer than the row before it")
        previous = moment or previous
    return len(rows), total, tuple(problems[:PROBLEMS_MAX])


class PointsLogReader:
    """Makes the calls."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None

    async def read(self, settings: PointsLogSettings, contact_id: str) -> Log:
        """Ask for the log of one contact.

        Raises:
            ValueError: no address is set.
        """
        address = log_address(settings, contact_id)
        started = time.perf_counter()
        try:
            response = await self._open().get(
                address,
                headers=_headers(settings),
                auth=_basic(settings),
                timeout=settings.timeout_seconds,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Log(
                contact_id,
                address,
                None,
                _milliseconds(started),
                0,
                Decimal(0),
                (f"no answer: {type(error).__name__}: {error}",),
                "",
            )
        rows, total, problems = judge(
            response.status_code, response.headers.get("content-type", ""), response.content
        )
        return Log(
            contact_id,
            address,
            response.status_code,
            _milliseconds(started),
            rows,
            total,
            problems,
            response.text,
        )

    async def read_all(
        self,
        settings: PointsLogSettings,
        contact_ids: Sequence[str],
        concurrency: int,
        *,
        sums: bool,
    ) -> LogSummary:
        """Ask for the logs of many contacts, so many at a time."""
        started = time.perf_counter()
        waiting = iter(contact_ids)
        logs: list[Log] = []

        async def worker() -> None:
            for contact_id in waiting:
                log = await self.read(settings, contact_id)
                logs.append(msgspec.structs.replace(log, body=""))

        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker())
        times = sorted(log.milliseconds for log in logs)
        return LogSummary(
            asked=len(logs),
            without_problems=sum(1 for log in logs if not log.problems),
            rows=sum(log.rows for log in logs),
            seconds=round(time.perf_counter() - started, 3),
            milliseconds_median=statistics.median(times) if times else 0.0,
            milliseconds_slowest_of_20=times[len(times) * 19 // 20] if times else 0.0,
            problems=tuple(
                f"{log.contact_id}: {problem}" for log in logs for problem in log.problems
            )[:PROBLEMS_MAX],
            sums={log.contact_id: log.sum for log in logs} if sums else {},
        )

    async def close(self) -> None:
        """Let the connections go."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                limits=httpx.Limits(max_connections=200, max_keepalive_connections=100),
                trust_env=False,
            )
        return self._client


def _judge_row(row: dict[str, msgspec.Raw]) -> tuple[str | None, Decimal, list[str]]:
    problems = []
    missing = sorted(ROW_FIELDS - row.keys())
    more = sorted(row.keys() - ROW_FIELDS)
    if missing:
        problems.append(f"lacks {', '.join(missing)}")
    if more:
        problems.append(f"has {', '.join(more)}, which the contract does not")
    date = _value(row, "transactionDate")
    if not isinstance(date, str) or not _UTC_TIME.match(date):
        problems.append(f"transactionDate {date!r} is not ISO 8601 in UTC with Z")
        date = None
    if not isinstance(_value(row, "description"), str):
        problems.append("description is not a text")
    try:
        amount = read_amount(row.get("amount", msgspec.Raw(b"null")))
    except AmountRefusedError as error:
        problems.append(f"amount {error}")
        amount = Decimal(0)
    return date, amount, problems


def _value(row: dict[str, msgspec.Raw], name: str) -> Any:
    raw = row.get(name)
    return None if raw is None else msgspec.json.decode(raw)


def _headers(settings: PointsLogSettings) -> dict[str, str]:
    headers = {"accept": "application/json", "user-agent": "Engage-sandbox"}
    if settings.authentication is LogAuthentication.HEADER:
        headers[settings.header_name] = settings.header_value
    return headers


def _basic(settings: PointsLogSettings) -> httpx.BasicAuth | None:
    if settings.authentication is LogAuthentication.BASIC:
        return httpx.BasicAuth(settings.username, settings.password)
    return None


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)

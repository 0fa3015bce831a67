"""What callers may send before anything is known of them: bounded in bytes and in time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from api import connections
from api.connections import HEAD_BYTES_MAX
from tests.doors.house import House

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.any_postgres]

SECONDS_MAX = 10

LIVE = b"GET /health/live HTTP/1.1\r\nHost: points.example.com\r\n"


class Line:
    """A connection, spoken over byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, *pieces: bytes) -> None:
        """Send pieces, each in a packet of its own."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0.01)

    async def hears(self) -> tuple[int, dict[str, Any]]:
        """The next answer's status and document."""
        async with asyncio.timeout(SECONDS_MAX):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].split()[0])
            body = await self.reader.readexactly(length)
        return int(head.split()[1]), msgspec.json.decode(body)

    async def is_hung_up(self) -> bool:
        """Whether the other end closes, saying nothing more."""
        async with asyncio.timeout(SECONDS_MAX):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


Connects = Callable[[], Any]


@pytest.fixture
def connects(house: House) -> Connects:
    """Opens connections to the house's door."""

    @asynccontextmanager
    async def connect() -> AsyncIterator[Line]:
        place = urlsplit(house.address)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        try:
            yield Line(reader, writer)
        finally:
            writer.transport.abort()

    return connect


@pytest.mark.parametrize("pieces", [1, 40])
async def test_a_head_has_a_largest_size(connects: Connects, pieces: int) -> None:
    head = LIVE + b"X-Filler: " + b"x" * (HEAD_BYTES_MAX + pieces) + b"\r\n\r\n"
    size = len(head) // pieces + 1
    async with connects() as line:
        try:
            await line.say(*(head[at : at + size] for at in range(0, len(head), size)))
        except ConnectionError:
            assert pieces > 1
        status, document = await line.hears()
        assert (status, document["code"]) == (431, "head_too_large")
        assert str(HEAD_BYTES_MAX) in document["detail"]
        assert await line.is_hung_up()


async def test_a_head_that_never_ends_is_not_read_for_ever(connects: Connects) -> None:
    """Ninety megabytes of headers used to be taken, and answered with 200."""
    async with connects() as line:
        said = 0
        with pytest.raises(ConnectionError):  # noqa: PT012  # which of the lines meets the end is open
            await line.say(LIVE)
            while said < 2**23:
                await line.say(b"X-More: " + b"x" * 2**16 + b"\r\n")
                said += 2**16
        assert said < 2**20


async def test_usual_heads_are_answered_in_whatever_pieces_they_come(connects: Connects) -> None:
    head = LIVE + b"X-Filler: " + b"x" * (HEAD_BYTES_MAX - 200) + b"\r\n\r\n"
    async with connects() as line:
        await line.say(head)
        assert (await line.hears())[0] == 200
        await line.say(head[:100], head[100:9000], head[9000:])
        assert (await line.hears())[0] == 200
        await line.say(b"\r\n" + LIVE + b"\r\n" + LIVE + b"\r\n")
        assert [(await line.hears())[0] for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("begun", [b"GET /health/live HT", LIVE, LIVE + b"X-More: "])
async def test_half_a_head_is_not_waited_for_long(
    connects: Connects, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS_MAX", 0.2)
    async with connects() as line:
        await line.say(begun)
        status, document = await line.hears()
        assert (status, document["code"]) == (408, "head_too_slow")
        assert await line.is_hung_up()


@pytest.mark.parametrize("said", [b"", b"\r\n", LIVE + b"\r\n"])
async def test_whoever_says_nothing_is_hung_up_on(
    connects: Connects, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    """Before the first request, and after a blank line that never becomes one."""
    monkeypatch.setattr(connections, "HEAD_SECONDS_MAX", 0.2)
    monkeypatch.setattr(connections, "KEEP_ALIVE_SECONDS", 0.2)
    async with connects() as line:
        if said:
            await line.say(said)
        if said.startswith(b"GET"):
            assert (await line.hears())[0] == 200
            await line.say(b"\r\n")
        assert await line.is_hung_up()


async def test_the_rest_of_a_refused_body_is_not_waited_for(
    connects: Connects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS_MAX", 0.2)
    head = b"POST /v1/transactions HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{"
    async with connects() as line:
        await line.say(head)
        assert (await line.hears())[1]["code"] == "unauthenticated"
        assert await line.is_hung_up()


async def test_a_connection_outlives_a_refused_body_that_came(
    connects: Connects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS_MAX", 0.3)
    head = b"POST /v1/transactions HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n{"
    async with connects() as line:
        await line.say(head)
        assert (await line.hears())[0] == 401
        await line.say(b"x" * 9)
        await asyncio.sleep(0.5)
        await line.say(LIVE + b"\r\n")
        assert (await line.hears())[0] == 200


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01\x00", b"SSH-2.0-client\r\n", b"GET\r\n\r\n"]
)
async def test_what_is_no_http_is_told_so_and_not_logged(
    connects: Connects, caplog: pytest.LogCaptureFixture, garbage: bytes
) -> None:
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    async with connects() as line:
        await line.say(garbage)
        status, document = await line.hears()
        assert (status, document["code"]) == (400, "http_invalid")
        assert await line.is_hung_up()
    assert not caplog.records


async def test_what_came_whole_is_answered_though_garbage_follows(connects: Connects) -> None:
    async with connects() as line:
        await line.say(LIVE + b"\r\n" + LIVE + b"\r\n" + b"\x00\x01 no request")
        assert [(await line.hears())[0] for _ in range(2)] == [200, 200]
        assert await line.is_hung_up()


async def test_nobody_waits_for_the_rest_of_a_broken_body(
    connects: Connects, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    key = house.http.headers["Authorization"].encode()
    head = b"POST /v1/transactions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
    head += b"Content-Type: application/json\r\nAuthorization: " + key + b"\r\n\r\n"
    async with connects() as line:
        await line.say(head, b"2\r\n{ \r\n", b"no number of bytes\r\n")
        assert await line.is_hung_up()
    await house.booked("earn", amount=1)
    assert not caplog.records


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
async def test_other_protocols_are_declined_without_a_word(
    connects: Connects, caplog: pytest.LogCaptureFixture, protocol: str
) -> None:
    head = (
        b"POST /v1/transactions HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nContent-Length: 2\r\n"
    )
    async with connects() as line:
        await line.say(head + f"Upgrade: {protocol}\r\n\r\n{{}}".encode())
        assert (await line.hears())[1]["code"] == "unauthenticated"
        assert await line.is_hung_up()
    assert not caplog.records

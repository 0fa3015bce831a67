"""Bare servers: the same framework and server as the service, and next to nothing behind them.

`python -m benchmarks.bare KIND` listens and ends when its standard input is closed. `constant`
answers the same bytes to everything; `transaction` decodes the body of a posting before it does;
`points-log` and `balances` run one prepared statement and encode its rows; `relay` inserts what it
is sent, with what of it decides its place, as one row.

The one hard idea: each is what a competent person writes in ten lines with this framework, so what
the service costs beyond it is the service's own.
"""

import asyncio
import os
import socket
import sys
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
import uvicorn
import uvloop
from litestar import Litestar, Request, Response, get, post

from api.documents.requests import TransactionRequest
from benchmarks.ground import CONNECTIONS
from ledger.connection import Pool

JSON: Final = "application/json"

POINTS_LOG: Final = """
    select transaction.effective_at, transaction.net, transaction.description
    from ledger.contact join ledger.transaction using (holder_id)
    where contact.contact_id = $1
    order by transaction.effective_at desc, transaction.number desc limit 20
"""

BALANCES: Final = """
    select account.definition_id, account.available, account.pending, account.held, account.debt,
           account.next_due_at
    from ledger.contact join ledger.account using (holder_id)
    where contact.contact_id = $1
"""

RECEIVE: Final = """
    insert into relay.event (id, received_at, occurred_at, source_id, destination_id, state, family,
        customer, payload)
    values ($1, now(), to_timestamp($2), 1, 1, 'waiting', $3, $4, $5)
"""

ANSWER: Final = os.environ.get("BARE_ANSWER", "").encode()

_decode = msgspec.json.Decoder(TransactionRequest).decode
_encode = msgspec.json.Encoder().encode


class LogRow(msgspec.Struct, rename="camel"):
    """A row of a points log."""

    transaction_date: str
    amount: int
    description: str


class Account(msgspec.Struct, rename="camel"):
    """One balance."""

    definition_id: int
    name: str
    available: int
    pending: int
    held: int
    debt: int
    next_change_at: str | None


@get(["/constant", "/points-log/{contact:str}", "/balances/{contact:str}"])
async def constant() -> Response[bytes]:
    """Answer the same bytes."""
    return Response(ANSWER, media_type=JSON)


@post("/v1/transactions")
async def transaction(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Decode the body, and answer the same bytes."""
    _decode(await request.body())
    return Response(ANSWER, status_code=201, media_type=JSON)


@get("/points-log/{contact:str}")
async def points_log(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Run one statement, and encode its rows."""
    pool: Pool = request.app.state.pool
    rows = await pool.fetch(POINTS_LOG, UUID(request.path_params["contact"]))
    log = [LogRow(f"{at:%Y-%m-%dT%H:%M:%SZ}", net, text) for at, net, text in rows]
    return Response(_encode(log), media_type=JSON)


@get("/balances/{contact:str}")
async def balances(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Run one statement, and encode its row."""
    pool: Pool = request.app.state.pool
    rows = await pool.fetch(BALANCES, UUID(request.path_params["contact"]))
    found = [
        Account(row[0], "Points", row[1], row[2], row[3], row[4], row[5] and row[5].isoformat())
        for row in rows
    ]
    return Response(_encode(found), media_type=JSON)


class VendorUser(msgspec.Struct):
    """Whose an event is."""

    external_source_id: str


class VendorPayload(msgspec.Struct):
    """What an event says, as far as it decides its place."""

    user: VendorUser


class VendorEvent(msgspec.Struct):
    """A vendor's event."""

    content_id: UUID
    timestamp: int
    event_name: str
    payload: VendorPayload


_decode_event = msgspec.json.Decoder(VendorEvent).decode


@post("/relay/{source:str}")
async def relay(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Insert one row: no proof, no repeats, nothing hidden, no queue."""
    pool: Pool = request.app.state.pool
    body = await request.body()
    event = _decode_event(body)
    customer = event.payload.user.external_source_id
    await pool.execute(RECEIVE, event.content_id, event.timestamp, event.event_name, customer, body)
    return Response(ANSWER, status_code=200, media_type=JSON)


HANDLERS: Final = {
    "constant": constant,
    "transaction": transaction,
    "points-log": points_log,
    "balances": balances,
    "relay": relay,
}


async def serve(kind: str) -> None:
    """Listen until the standard input is closed."""
    application = Litestar([HANDLERS[kind]], openapi_config=None, logging_config=None)
    pool = None
    if os.environ.get("BARE_DSN"):
        pool = await asyncpg.create_pool(
            os.environ["BARE_DSN"],
            min_size=CONNECTIONS,
            max_size=CONNECTIONS,
            server_settings={"jit": "off", "timezone": "UTC"},
        )
        application.state.pool = pool
    listening = socket.create_server(("127.0.0.1", 0), backlog=2048)
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            http="httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
        )
    )

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            server.should_exit = True
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), read)
    sys.stdout.write(f"Listening on http://127.0.0.1:{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve(sockets=[listening])
    if pool is not None:
        await pool.close()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))

"""A vendor's events at the relay's door, 64 senders: proof, deny-list, repeats, queue, and all.

Control: a bare endpoint of the same framework and server that inserts the same row, one a request,
and does nothing else.

Open Loyalty waits one second and never tries again, so how long its messages wait is asked too,
while its nightly job sends one list of a thousand after the other.
"""

import asyncio
import hashlib
import hmac
import json
import random
from contextlib import AsyncExitStack
from statistics import median
from typing import Final
from uuid import UUID

from benchmarks.asking import ask, request_bytes
from benchmarks.ground import Ground
from benchmarks.result import Goal, Latency, Result, Rounds
from benchmarks.serving import bare, service

SENDERS: Final = 64
GOAL: Final = 0.70

LIST: Final = 1000
"""Entries of Open Loyalty's largest message."""

SECOND: Final = 1000.0
"""Milliseconds that Open Loyalty waits."""

GOAL_SECOND: Final = 0.5

SECRET: Final = "secret-of-the-vendor"

CONFIGURATION: Final = """
[relay.destinations.main]
workspace = "sandbox-workspace"
address = "http://127.0.0.1:9"

[relay.sources.punchh]
vendor = "punchh"
destination = "main"
authentication = { kind = "hmac", client = "acme" }

[relay.sources.loyalty]
vendor = "open_loyalty"
destination = "main"
authentication = { kind = "header", header = "X-Token" }
"""

SECRETS: Final = {
    "POINTMASTER_RELAY_DESTINATION_MAIN_KEY": "unused",
    "POINTMASTER_RELAY_SOURCE_PUNCHH_SECRET": SECRET,
    "POINTMASTER_RELAY_SOURCE_LOYALTY_SECRET": SECRET,
}


def checkin(chance: random.Random, customers: int) -> bytes:
    """A visit as Punchh tells it, signed."""
    customer = chance.randrange(customers)
    document = {
        "content_id": str(UUID(int=chance.getrandbits(128), version=4)),
        "timestamp": 1_735_689_600 + chance.randrange(1_000_000),
        "business_id": 7,
        "business_uuid": "b-uuid",
        "business_slug": "acme",
        "event_name": "checkins",
        "event_type": "loyalty",
        "action": "create",
        "payload": {
            "checkin_type": "BarcodeCheckin",
            "user_id": 9_007_199_254_740_993 + customer,
            "store_number": "123",
            "channel": "Mobile",
            "receipt_amount": 20.0,
            "receipt_date": "2025-01-01T00:00:00Z",
            "points_earned": 20,
            "points_spent": 0,
            "status": "loyalty",
            "created_at": "2025-01-01T00:00:00Z",
            "menu_items": [{"item_name": "Coffee", "item_qty": 1, "item_amount": 4.5}],
            "user": {
                "user_id": 9_007_199_254_740_993 + customer,
                "external_source": "customer_id",
                "external_source_id": f"customer-{customer}",
                "account_balance": {"points_balance": 120, "total_debits": "0.0"},
            },
        },
    }
    path, body = "/relay/punchh", json.dumps(document).encode()
    digest = hmac.new(SECRET.encode(), path.encode() + body, hashlib.sha256).hexdigest()
    headers = {"Authorization": f"hmac {digest}", "x-pch-key": "acme"}
    return request_bytes("POST", path, headers=headers, body=body)


def notice(chance: random.Random, customers: int, entries: int | None = None) -> bytes:
    """A message of Open Loyalty: of one customer, or a list of so many."""
    said = [
        {
            "customerId": f"customer-{chance.randrange(customers)}",
            "customerEmail": "member@example.com",
            "points": chance.randrange(1000),
            "pointsWillExpire": "2026-12-31T22:59:59+01:00",
        }
        for _ in range(entries or 1)
    ]
    document = {
        "type": "account.expiring_points_notification",
        "data": said if entries else said[0],
    }
    headers = {"X-Token": SECRET}
    body = json.dumps(document).encode()
    return request_bytes("POST", "/relay/loyalty", headers=headers, body=body)


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    customers, count = ground.size(100_000, 20_000), ground.size(20_000, 4_000)
    beside_bare, beside_second = Rounds(), Rounds()
    waits: list[float] = []
    used: list[float] = []
    slowest: list[float] = []
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(ground.database()) for _ in range(2)]
        ours = await stack.enter_async_context(
            service(databases[0], more=CONFIGURATION, secrets=SECRETS)
        )
        chance = random.Random(0)
        warm = await ask(ours.address, [checkin(chance, customers) for _ in range(500)], SENDERS)
        control = await stack.enter_async_context(
            bare("relay", dsn=databases[1].dsn_service, answer=warm.body)
        )
        await ask(control.address, [checkin(chance, customers) for _ in range(500)], SENDERS)
        for _ in range(ground.rounds):
            before = ours.processor_seconds()
            mine = await ask(
                ours.address, [checkin(chance, customers) for _ in range(count)], SENDERS
            )
            used.append((ours.processor_seconds() - before) / count * 1_000_000)
            theirs = await ask(
                control.address, [checkin(chance, customers) for _ in range(count)], SENDERS
            )
            beside_bare.add(mine.rate, theirs.rate)
            waits += mine.waits
            singles = [notice(chance, customers) for _ in range(count // 4)]
            lists = [notice(chance, customers, LIST) for _ in range(count // 400)]
            told = await asyncio.gather(
                ask(ours.address, singles, SENDERS - 1), ask(ours.address, lists, 1)
            )
            slowest.append(max(told[1].waits) * 1000)
            wait = Latency.of([*told[0].waits, *told[1].waits])
            if wait is not None:
                beside_second.add(wait.p99, SECOND)
                ground.say(
                    f"ours {mine.rate:,.0f}, bare {theirs.rate:,.0f}, lists p99 {wait.p99:.0f} ms"
                )
    keys = f"{customers:,} customers, uniform"
    return [
        beside_bare.result(
            "Relay receiving, against a bare endpoint with one insert of the same row",
            "events/s",
            bound=GOAL,
            keys=keys,
            load=f"{SENDERS} senders, one signed event each",
            latency=Latency.of(waits),
            notes=(f"processor time a request, service process: {median(used):.0f} us",),
        ),
        beside_second.result(
            "Relay receiving Open Loyalty's messages: p99 of a wait, against its one second",
            "ms",
            bound=GOAL_SECOND,
            goal=Goal.AT_MOST,
            keys=keys,
            load=f"{SENDERS - 1} senders of single messages, one of lists of {LIST}",
            notes=(f"slowest list, median of the rounds: {median(slowest):.0f} ms",),
        ),
    ]

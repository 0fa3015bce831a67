"""Messages that are authentic and strange: each is kept, and none of them holds back another."""

from typing import Any

import asyncpg
import msgspec
import pytest

from ledger.postgres import Database
from sync.relay.erasure import erase_customers
from sync.relay.intake import EventState, Reason
from sync.relay.vendors.perx import Perx
from tests.relaying.stage import basic, open_stage, relay_settings


def long_text(characters: int) -> str:
    """A text that no database makes shorter, of four bytes a character."""
    return "".join(chr(0x20000 + (number * number * 31) % 40_000) for number in range(characters))


def visit(number: int, **user: Any) -> dict[str, Any]:
    return {
        "content_id": f"c-{number}", "timestamp": 1735689600, "business_id": 7,
        "event_name": "rewards", "payload": {"user": user},
    }  # fmt: skip


async def test_what_fits_into_no_index_is_kept_and_holds_nothing_back(
    database: Database, moengage: str
) -> None:
    customer, name = long_text(512), long_text(200)
    lesson = visit(2)
    lesson |= {"event_name": "users", "payload": {
        "user_id": long_text(2500), "external_source_id": "cust-2002",
    }}  # fmt: skip
    async with open_stage(database, relay_settings(moengage, {"shop": basic("punchh")})) as stage:
        for message in (
            visit(1, user_id=long_text(2500)),
            lesson,
            visit(3, external_source_id=customer, account_balance={name: 5}),
            visit(4, external_source_id=customer[:250], account_balance={name: 5}),
            visit(5, external_source_id="cust-1001"),
        ):
            await stage.tell("shop", message)
        await stage.deliver()
        assert [(one.state, one.reason) for one in await stage.events()] == [
            (EventState.QUARANTINED, Reason.CUSTOMER_MISSING),
            (EventState.DELIVERED, None),
            (EventState.QUARANTINED, Reason.CUSTOMER_FORBIDDEN),
            (EventState.DELIVERED, None),
            (EventState.DELIVERED, None),
        ]


@pytest.mark.any_postgres
async def test_an_event_that_breaks_the_mapping_holds_nothing_back(
    database: Database, moengage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Perx.tell

    def breaks(self: Perx, document: Any) -> Any:
        if document["customer_id"] == "cust-1":
            raise ZeroDivisionError
        return told(self, document)

    monkeypatch.setattr(Perx, "tell", breaks)
    async with open_stage(database, relay_settings(moengage, {"perx": basic("perx")})) as stage:
        for number in range(3):
            message = {"event_id": number, "event_type": "x", "customer_id": f"cust-{number}"}
            await stage.tell("perx", msgspec.json.encode(message))
        await stage.deliver()
        assert [one.reason for one in await stage.events()] == [None, Reason.UNMAPPABLE, None]
        assert len(await stage.arrived()) == 2


@pytest.mark.any_postgres
async def test_who_is_forgotten_amid_events_of_theirs_is_forgotten(
    database: Database, moengage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Any] = []

    async def loses(*given: Any) -> int:
        erased = await erase_customers(*given)
        lost.append(given)
        if len(lost) < 3:
            raise asyncpg.DeadlockDetectedError
        return erased

    monkeypatch.setattr("sync.relay.relay.erase_customers", loses)
    async with open_stage(database, relay_settings(moengage, {"shop": basic("punchh")})) as stage:
        await stage.tell("shop", visit(1, external_source_id="cust-1001"))
        assert await stage.relay.erase(stage.tenant, ["cust-1001"]) == 1
        assert await stage.events() == []

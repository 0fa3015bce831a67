"""Topics of Kafka: read over the real protocol, committed after storing, and shared by replicas."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg
import pytest

from ledger.postgres import Database
from sync.clock import Clock
from sync.relay.channels.kafka import Consumption, configuration
from sync.relay.intake import EventState, Incoming, Reason
from sync.relay.options import KafkaOptions
from sync.relay.register import SourceRecord
from sync.relay.storing import Stored
from tests.relaying.broker import TOPIC, Broker, broker
from tests.relaying.stage import Stage, open_stage, relay_settings, until

pytestmark = pytest.mark.any_postgres


@pytest.fixture
def kafka() -> Iterator[Broker]:
    with broker() as found:
        yield found


def reading(kafka: Broker, **more: Any) -> dict[str, Any]:
    return {
        "perx": {
            "vendor": "perx",
            "destination": "main",
            "tenant": "acme",
            "kafka": {
                "servers": [kafka.servers],
                "topics": [TOPIC],
                "protocol": "plaintext",
                "settings": {"session.timeout.ms": 4000, "heartbeat.interval.ms": 200},
                **more,
            },
        }
    }


def message(number: int, customer: str = "cust-1001", **more: Any) -> dict[str, Any]:
    return {"event_type": "visit", "customer_id": customer, "number": number, **more}


async def count(stage: Stage, wanted: int) -> bool:
    return len(await stage.events()) == wanted


async def test_what_is_written_is_stored_once_and_its_offset_committed(
    database: Database, moengage: str, kafka: Broker
) -> None:
    """Nobody can read two of them, and they don't stand in the way of the rest."""
    good = [message(number, f"cust-{number}") for number in range(20)]
    kafka.produce(*good[:10], b"\xff not json", b"", *good[10:], message(20, event_id="e-20"))
    settings = relay_settings(moengage, reading(kafka))
    async with open_stage(database, settings, delivers=True) as stage:
        await until(lambda: count(stage, 23))
        reasons = [one.reason for one in await stage.events(state=EventState.QUARANTINED)]
        assert reasons == [Reason.UNREADABLE, Reason.UNREADABLE]

        async def all_arrived() -> bool:
            return len(await stage.arrived()) == 21

        await until(all_arrived)
    assert await asyncio.to_thread(kafka.committed, "pointmaster") == [23]


async def test_what_could_not_be_stored_comes_again_and_is_stored_once(
    database: Database, moengage: str, kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.relay.channels.kafka.TROUBLE_SECONDS", 0.05)
    kafka.produce(message(1), message(1), message(2, event_id="e-2"))
    async with open_stage(database, relay_settings(moengage, reading(kafka))) as stage:
        source, clock = stage.relay.register.sources["perx"], Clock()
        accept, failures, repeats = stage.relay.accept, 3, 0

        async def failing(source: SourceRecord, events: Sequence[Incoming]) -> Stored:
            """Fails three times, and is killed between storing and committing."""
            nonlocal failures, repeats
            if failures > 1:
                failures -= 1
                raise asyncpg.ConnectionDoesNotExistError("the database is away")
            stored = await accept(source, events)
            if failures:
                failures -= 1
                raise asyncpg.ConnectionDoesNotExistError("the database is away")
            repeats += len(events) - len(stored.states)
            return stored

        consumption = Consumption(source, failing, clock)
        consumption.start()

        async def has_come_again() -> bool:
            return repeats > 0 and await count(stage, 3)

        await until(has_come_again)
        await consumption.stop()
        assert len(await stage.events()) == 3
    assert await asyncio.to_thread(kafka.committed, "pointmaster") == [3]


async def test_two_replicas_share_the_partitions_and_one_takes_over(
    database: Database, moengage: str, kafka: Broker
) -> None:
    settings = relay_settings(moengage, reading(kafka))
    async with open_stage(database, settings, delivers=True) as stage:
        for partition in range(4):
            kafka.produce(
                *(message(number, f"cust-{partition}") for number in range(5)), partition=partition
            )
        await until(lambda: count(stage, 20))
        async with open_stage(database, settings, delivers=True):
            for partition in range(4):
                kafka.produce(
                    *(message(number, f"cust-{partition}") for number in range(5, 10)),
                    partition=partition,
                )
            await until(lambda: count(stage, 40), seconds=40)
        for partition in range(4):
            kafka.produce(message(10, f"cust-{partition}"), partition=partition)
        await until(lambda: count(stage, 44), seconds=40)

        async def all_delivered() -> bool:
            return await stage.states() == {EventState.DELIVERED: 44}

        await until(all_delivered)
        order: dict[str, list[int]] = {}
        for entry in await stage.entries():
            number = entry["element"]["actions"][0]["attributes"]["number"]
            order.setdefault(entry["customerId"], []).append(number)
        assert order == {f"cust-{partition}": list(range(11)) for partition in range(4)}


def test_librdkafka_is_told_of_tls_and_sasl_and_never_to_commit_by_itself() -> None:
    options = KafkaOptions(
        servers=("a:9093", "b:9093"),
        topics=("t",),
        protocol="sasl_ssl",
        mechanism="SCRAM-SHA-512",
        username="relay",
        ca_file="/etc/ca.pem",
        settings={"enable.auto.commit": True, "fetch.min.bytes": 1},
    )
    told = configuration(options, "secret")
    assert told["security.protocol"] == "sasl_ssl"
    assert told["sasl.password"] == "secret"
    assert told["ssl.ca.location"] == "/etc/ca.pem"
    assert told["enable.auto.commit"] is False
    assert told["fetch.min.bytes"] == 1
    assert "sasl.password" not in configuration(
        KafkaOptions(servers=("a",), topics=("t",)), "secret"
    )

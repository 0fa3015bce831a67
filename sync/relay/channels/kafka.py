"""Reading topics of Kafka.

The one hard idea: an offset is committed only after its message is stored, so a message can come
again and can't be lost; that it is the same one is recognised by topic, partition, offset and time,
or by its own id where it has one. A message that nobody can read is stored like any other, in
quarantine, so it never stands in the way of the next.

librdkafka does the waiting, in a thread of its own; while the database is away, nothing is read on.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from sync.clock import Clock
from sync.relay.channels.opening import Accept
from sync.relay.fresh import fresh_ids
from sync.relay.intake import Incoming, take_in
from sync.relay.options import KafkaOptions
from sync.relay.register import SourceRecord
from sync.relay.vendors.protocol import Arrival

WAIT_SECONDS: Final = 0.5
"""How long is waited for a first message, and so how long stopping takes."""

TROUBLE_SECONDS: Final = 2.0
SESSION_MILLISECONDS: Final = 10_000
MESSAGE_BYTES_MAX: Final = 2 * 1024 * 1024

AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

logger = logging.getLogger(__name__)


class Consumption:
    """Reads the topics of one source."""

    def __init__(self, source: SourceRecord, accept: Accept, clock: Clock) -> None:
        options = source.settings.options.kafka
        if options is None:
            raise ValueError(f"source {source.settings.name} reads no topics")
        self._source = source
        self._options = options
        self._accept = accept
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Read from now on."""
        if self._task is None:
            name = f"kafka of {self._source.settings.name}"
            self._task = asyncio.create_task(self._read(), name=name)

    async def stop(self) -> None:
        """Finish what was read, give the partitions back, and read no more."""
        self._stopping = True
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _read(self) -> None:
        while not self._stopping:
            consumer = Consumer(configuration(self._options, self._password()))
            try:
                consumer.subscribe(list(self._options.topics))
                while not self._stopping:
                    await self._read_once(consumer)
            except KafkaException as problem:
                logger.warning(
                    "relay source=%s kafka=%s", self._source.settings.name, problem.args[0]
                )
                await asyncio.sleep(TROUBLE_SECONDS)
            except Exception:
                logger.exception("relay source=%s kafka failed", self._source.settings.name)
                await asyncio.sleep(TROUBLE_SECONDS)
            finally:
                await asyncio.to_thread(consumer.close)

    def _password(self) -> str | None:
        secrets = self._source.settings.secrets
        return secrets[0].reveal() if secrets else None

    async def _read_once(self, consumer: Consumer) -> None:
        messages = await asyncio.to_thread(consumer.consume, self._options.batch_max, WAIT_SECONDS)
        found = [message for message in messages if not self._is_trouble(message)]
        if not found:
            return
        await self._store(self._events(found))
        # A partition that was taken away meanwhile is somebody else's; they read it again.
        with contextlib.suppress(KafkaException):
            await asyncio.to_thread(
                consumer.commit, offsets=offsets_after(found), asynchronous=False
            )

    def _is_trouble(self, message: Message) -> bool:
        """Whether it is no message but an event of the client; those that matter are logged."""
        error = message.error()
        if error is None:
            return False
        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - so it is called
            logger.warning("relay source=%s kafka=%s", self._source.settings.name, error)
        return True

    def _events(self, messages: Sequence[Message]) -> list[Incoming]:
        now = self._clock.here()
        return [event for message in messages for event in self._of(message, now)]

    def _of(self, message: Message, now: datetime) -> Sequence[Incoming]:
        arrival = Arrival(now, place_of(message))
        body = message.value()
        raw = body if isinstance(body, bytes) else b""
        return take_in(self._source.settings, raw, arrival, fresh_ids(now))

    async def _store(self, events: Sequence[Incoming]) -> None:
        """Store what was read, however long that takes; without it nothing is read on."""
        while True:
            try:
                await self._accept(self._source, events)
            except AWAY as problem:
                logger.warning(
                    "relay source=%s database=%s",
                    self._source.settings.name,
                    type(problem).__name__,
                )
                if self._stopping:
                    # Not committed, so it is read again.
                    raise
                await asyncio.sleep(TROUBLE_SECONDS)
            else:
                return


def place_of(message: Message) -> str:
    """What Kafka calls a message by; a topic made anew counts its offsets from zero again."""
    kind, timestamp = message.timestamp()
    written = "" if kind == TIMESTAMP_NOT_AVAILABLE else str(timestamp)
    return f"kafka/{message.topic()}/{message.partition()}/{message.offset()}/{written}"


def offsets_after(messages: Sequence[Message]) -> list[TopicPartition]:
    """From where on to read each partition after these messages."""
    last: dict[tuple[str, int], int] = {}
    for message in messages:
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is not None and partition is not None and offset is not None:
            last[topic, partition] = max(last.get((topic, partition), -1), offset)
    return [
        TopicPartition(topic, partition, offset + 1) for (topic, partition), offset in last.items()
    ]


def configuration(options: KafkaOptions, password: str | None) -> dict[str, Any]:
    """What librdkafka is told; what `settings` names wins, but for what committing relies on."""
    given: dict[str, Any] = {
        "bootstrap.servers": ",".join(options.servers),
        "group.id": options.group,
        "client.id": "pointmaster",
        "security.protocol": options.protocol,
        "auto.offset.reset": "earliest" if options.from_beginning else "latest",
        "session.timeout.ms": SESSION_MILLISECONDS,
        "fetch.message.max.bytes": MESSAGE_BYTES_MAX,
        "ssl.ca.location": options.ca_file,
        "ssl.certificate.location": options.certificate_file,
        "ssl.key.location": options.key_file,
        "sasl.mechanism": options.mechanism,
        "sasl.username": options.username or None,
        "sasl.password": password if "sasl" in options.protocol else None,
        **options.settings,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
    }
    return {name: value for name, value in given.items() if value is not None}

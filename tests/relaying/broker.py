"""A Kafka broker for tests: librdkafka's own, which speaks the real protocol."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

TOPIC = "perx-events"


@dataclass
class Broker:
    """A broker that lives as long as its producer."""

    producer: Producer
    servers: str

    def produce(self, *values: bytes | dict[str, Any], partition: int = 0) -> None:
        """Write messages and wait until the broker has them."""
        for value in values:
            raw = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.producer.produce(TOPIC, raw, partition=partition)
        assert self.producer.flush(20) == 0

    def committed(self, group: str, partitions: int = 1) -> list[int]:
        """From where on a group would read each partition; -1001 where it never committed."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": group})
        try:
            asked = [TopicPartition(TOPIC, number) for number in range(partitions)]
            return [one.offset for one in consumer.committed(asked, timeout=20)]
        finally:
            consumer.close()


@contextmanager
def broker() -> Iterator[Broker]:
    """A broker with an empty topic of four partitions."""
    producer = Producer({"bootstrap.servers": "unused", "test.mock.num.brokers": 1})
    found = producer.list_topics(timeout=20)
    (address,) = found.brokers.values()
    # The first look at a topic makes it.
    producer.list_topics(TOPIC, timeout=20)
    yield Broker(producer, f"{address.host}:{address.port}")
    producer.flush(5)

"""A topic that its reader holds in full: every committed record from the first on, in nobody's group."""

from typing import Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from pipeline.settings import Settings

# What a consumer is given where a partition has no more records, instead of a record.
END = KafkaError._PARTITION_EOF  # noqa: SLF001 - the client has no other name for it

_TIMEOUT = 10.0
_AT_ONCE = 10_000  # records


class WholeTopic:
    """Reads one topic from its beginning; `at_end` once everything that was committed has been read.

    Raises KafkaException where Kafka cannot be reached in the beginning; later it is waited for.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        self.at_end = False
        options = settings.kafka.confluent() | {
            "group.id": "flowtier-reader",  # asked for by the client, never joined
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
        self._consumer = Consumer(options)
        partitions = self._consumer.list_topics(topic, _TIMEOUT).topics[topic].partitions
        self._behind: set[int | None] = set(partitions)
        self._consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in partitions])

    def read(self, seconds: float) -> list[Message]:
        """The next records; [] where there are none within some seconds."""
        records = []
        for message in self._consumer.consume(_AT_ONCE, seconds):
            error = message.error()
            partition = message.partition()
            if error is None:
                records.append(message)
                self._behind.add(partition)
            elif error.code() == END:
                self._behind.discard(partition)
            elif error.fatal():
                raise KafkaException(error)
        self.at_end = not self._behind
        return records

    def read_to_end(self) -> list[Message]:
        """Every record up to the end as it is now."""
        records = self.read(0.1)
        while not self.at_end:
            records += self.read(0.1)
        return records

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def text(key: bytes | str | None) -> str:
    """The key of one of our records."""
    return key.decode(errors="replace") if isinstance(key, bytes) else key or ""

"""A topic that its reader holds in full: every committed record from the first on, in nobody's group."""

import time
from typing import Self, cast

import stamina
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from agents.kafka_log import LOG
from pipeline.settings import Settings

_TIMEOUT = 10.0
_PATIENCE = 60.0  # longer than any transaction of ours is open
_AT_ONCE = 10_000  # records


def _is_new(error: Exception) -> bool:
    """Whether Kafka has just made the topic, and its broker does not know of it yet."""
    codes = (
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    )
    return isinstance(error, KafkaException) and error.args[0].code() in codes


def is_end(message: Message) -> bool:
    """Whether a consumer was given this because the partition has no more records."""
    error = message.error()
    return error is not None and error.code() == KafkaError._PARTITION_EOF  # noqa: SLF001 - its only name


class WholeTopic:
    """Reads one topic from its beginning; `at_end` once everything has been read that was there then, of
    transactions still open then too: those are waited for.

    Raises KafkaException where Kafka cannot be reached in the beginning; later it is waited for.
    """

    def __init__(self, settings: Settings, topic: str) -> None:
        self.at_end = False
        self._refusal: KafkaError | None = None
        self._topic = topic
        options = settings.kafka.confluent() | {
            "group.id": "flowtier-reader",  # asked for by the client, never joined
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,  # an end is told of as late as that
        }
        self._consumer = Consumer(options, logger=LOG)
        self._admin = AdminClient(settings.kafka.confluent(), logger=LOG)
        self._ends = self._ask_ends()
        self._behind = set(self._ends)
        self._consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in self._ends])

    def read(self, seconds: float) -> list[Message]:
        """The next records; [] where there are none within some seconds."""
        records = []
        for message in self._consumer.consume(_AT_ONCE, seconds):
            partition, error = cast("int", message.partition()), message.error()
            if error is None:
                records.append(message)
                # Where records never stop coming, there is no end to be told of.
                if cast("int", message.offset()) + 1 >= self._ends[partition]:
                    self._behind.discard(partition)
            elif is_end(message):
                # The end of what is committed: it lies before the first record of an open transaction.
                if cast("int", message.offset()) >= self._ends[partition]:
                    self._behind.discard(partition)
            elif error.fatal():
                raise KafkaException(error)
            elif error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                self._refusal = error
        self.at_end = not self._behind
        return records

    def read_to_end(self) -> list[Message]:
        """Every record up to the end, as it was in the beginning.

        Raises KafkaException where we may not read it, or nothing has come for a minute.
        """
        records: list[Message] = []
        heard = time.monotonic()
        while not self.at_end:
            found = self.read(0.1)
            if self._refusal:
                raise KafkaException(self._refusal)
            records += found
            heard = time.monotonic() if found else heard
            if time.monotonic() - heard > _PATIENCE:
                reason = f"no more records of topic {self._topic} came within {_PATIENCE:.0f} s"
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, reason))  # noqa: SLF001
        return records

    @stamina.retry(on=_is_new, timeout=_TIMEOUT)
    def _ask_ends(self) -> dict[int, int]:
        """The offset behind the last record of each partition, committed or not."""
        found = self._admin.list_topics(self._topic, _TIMEOUT).topics[self._topic]
        if found.error:  # and no partitions: it would look like an empty topic
            raise KafkaException(found.error)
        parts = {TopicPartition(self._topic, number): OffsetSpec.latest() for number in found.partitions}  # type: ignore[no-untyped-call]
        # The consumer would be told of the end of what is committed.
        asked = self._admin.list_offsets(
            parts, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=_TIMEOUT
        )
        return {part.partition: answer.result().offset for part, answer in asked.items()}

    def close(self) -> None:
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def text(key: bytes | str | None) -> str:
    """The key of one of our records."""
    return key.decode(errors="replace") if isinstance(key, bytes) else key or ""

"""Batches on a topic that Kafka's client cannot read: damaged on the disk, or packed by an unknown codec."""

from bisect import bisect_left
from typing import Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from agents.kafka_log import LOG
from agents.whole_topic import is_end
from pipeline.settings import Settings

_TIMEOUT = 10.0
_CODES = frozenset((KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError._NOT_IMPLEMENTED))  # noqa: SLF001


def is_unreadable(message: Message) -> bool:
    """Whether a consumer was given this in place of the messages of a batch.

    What it is given of that partition afterwards means nothing until it seeks: librdkafka goes on at a
    wrong place in what it has fetched, or asks for the same batch for ever.
    """
    error = message.error()
    return error is not None and error.code() in _CODES


def end_of_batch(settings: Settings, topic: str, partition: int, offset: int) -> int:
    """The first offset behind the unreadable batch that `offset` is in.

    The client does not tell where a batch ends that it cannot read. Reading from anywhere within it
    fails at the same first offset, though, so the end is searched for. Raises KafkaException where
    Kafka does not answer.
    """
    with _Probe(settings, topic, partition) as probe:
        batch = probe.unreadable_at(offset)
        if batch is None:  # it could be read after all: damaged on its way to us, not on the disk
            return offset
        return bisect_left(
            range(probe.end()), True, lo=offset + 1, key=lambda at: probe.unreadable_at(at) != batch
        )


class _Probe:
    """A consumer of its own, in nobody's group, that looks at one place at a time."""

    def __init__(self, settings: Settings, topic: str, partition: int) -> None:
        self._topic, self._partition = topic, partition
        options = settings.kafka.confluent() | {
            "group.id": "flowtier-reader",  # asked for by the client, never joined
            "isolation.level": "read_uncommitted",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "check.crcs": True,
            "fetch.message.max.bytes": 1,  # one batch, whatever its size
            "fetch.wait.max.ms": 10,
        }
        self._consumer = Consumer(options, logger=LOG)

    def end(self) -> int:
        """The offset behind the last message."""
        part = TopicPartition(self._topic, self._partition)
        end: int = self._consumer.get_watermark_offsets(part, _TIMEOUT)[1]
        return end

    def unreadable_at(self, offset: int) -> int | None:
        """The first offset, as its header says, of the unreadable batch at `offset`; None for another."""
        self._consumer.assign([TopicPartition(self._topic, self._partition, offset)])
        while message := self._consumer.poll(_TIMEOUT):
            if is_unreadable(message):
                return message.offset()
            if message.error() is None or is_end(message):
                return None
            # Else it is late word of where the place before this one led.
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

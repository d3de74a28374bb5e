"""Batches on a topic that Kafka's client cannot read: damaged on the disk, or packed by an unknown codec."""

from bisect import bisect_left
from contextlib import closing

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from agents.kafka_log import LOG
from agents.whole_topic import is_end
from pipeline.settings import Settings

_TIMEOUT = 10.0
# What a consumer is told in place of the messages of such a batch. Whatever it is given of that partition
# afterwards means nothing: librdkafka goes on at a wrong place in what it has fetched, or anywhere else.
UNREADABLE = frozenset((KafkaError._BAD_MSG, KafkaError._BAD_COMPRESSION, KafkaError._NOT_IMPLEMENTED))  # noqa: SLF001


def end_of_batch(settings: Settings, topic: str, partition: int, offset: int) -> int:
    """The first offset behind the unreadable batch that is next at `offset`.

    The client does not tell where a batch ends that it cannot read. Reading from anywhere within it
    fails at the same first offset, though, so the end is searched for. Raises KafkaException where
    Kafka does not answer.
    """
    probe = _Probe(settings, topic, partition)
    batch = probe.unreadable_at(offset)
    if batch is None:  # it could be read after all: damaged on its way to us, not on the disk
        return offset
    places = range(probe.end())
    return bisect_left(places, True, lo=offset + 1, key=lambda at: probe.unreadable_at(at) != batch)


class _Probe:
    """Looks at one place at a time, each with a new consumer: one that has met an unreadable batch is
    not to be trusted."""

    def __init__(self, settings: Settings, topic: str, partition: int) -> None:
        self._topic, self._partition = topic, partition
        self._options = settings.kafka.confluent() | {
            "group.id": "flowtier-reader",  # asked for by the client, never joined
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "check.crcs": True,
            "fetch.message.max.bytes": 1,  # one batch, whatever its size
            "fetch.wait.max.ms": 10,
        }

    def end(self) -> int:
        """The offset behind the last message."""
        with closing(self._consumer()) as consumer:
            part = TopicPartition(self._topic, self._partition)
            end: int = consumer.get_watermark_offsets(part, _TIMEOUT)[1]
            return end

    def unreadable_at(self, offset: int) -> int | None:
        """The first offset, as its header says, of the unreadable batch at `offset`; None for another."""
        with closing(self._consumer()) as consumer:
            consumer.assign([TopicPartition(self._topic, self._partition, offset)])
            message = consumer.poll(_TIMEOUT)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
        error = message.error()
        if error is None or is_end(message):
            return None
        if error.code() in UNREADABLE:
            return message.offset()
        raise KafkaException(error)

    def _consumer(self) -> Consumer:
        return Consumer(self._options, logger=LOG)

"""Transactions of one writer: all records and offsets of each, or none."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from agents.kafka_log import LOG
from pipeline.settings import Settings

_TIMEOUT = 15.0
# A transaction is under way for milliseconds. One that a dead writer left open holds up the readers of
# its topics for no longer than this.
OPEN_SECONDS = 10


class Record(NamedTuple):
    """A record to be written; `value` None is a tombstone."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Transactions:
    """The transactional producer of a writer named `name`; one with the same name shuts the others out.

    A transaction whose end is not known is settled before the next one begins: the producer is made
    anew, and Kafka then ends what the one before it had begun.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        self._options = settings.kafka.confluent() | {
            "transactional.id": name,
            "transaction.timeout.ms": OPEN_SECONDS * 1000,
            "compression.type": "zstd",
            "linger.ms": 5,
        }
        self._producer: Producer | None = None

    def begin_alone(self) -> None:
        """Shut out any other writer of this name: what it has not ended by now will never be seen.

        Raises KafkaException where Kafka is away.
        """
        self._producer = self._new()

    def run(self, records: Iterable[Record], offsets: list[TopicPartition] = [], group: Any = None) -> None:  # noqa: B006
        """Write the records, and the offsets as read by `group`, in one transaction.

        Raises KafkaException where that failed; nothing of it is then to be seen by readers of committed
        records, unless Kafka had it committed and could not say so: read back what is committed.
        """
        producer = self._producer or self._new()
        self._producer = None  # whatever goes wrong below, the next one begins with a new producer
        producer.begin_transaction()
        for record in records:
            _send(producer, record)
        if offsets:
            _within(_TIMEOUT, lambda: producer.send_offsets_to_transaction(offsets, group, _TIMEOUT))
        producer.commit_transaction(_TIMEOUT)
        self._producer = producer

    def _new(self) -> Producer:
        producer = Producer(self._options, logger=LOG)
        producer.init_transactions(_TIMEOUT)
        return producer


def _within(seconds: float, call: Callable[[], None]) -> None:
    """Make a call that does not keep its own timeout, as librdkafka's with the offsets (its issue 5456).

    A call that never returns is left behind with its producer; whatever it still does, Kafka has shut
    it out by then.
    """
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())  # type: ignore[func-returns-value]
        except KafkaException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        outcome.result(seconds)
    except TimeoutError:
        reason = f"the offsets were not taken within {seconds:.0f} s"
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, reason)) from None  # noqa: SLF001


def _send(producer: Producer, record: Record) -> None:
    while True:
        try:
            producer.produce(record.topic, record.value, record.key, headers=list(record.headers))
        except BufferError:
            producer.poll(0.1)
        else:
            return

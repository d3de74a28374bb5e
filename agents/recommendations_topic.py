"""Topic policy-recommendations: what stands on it, and how it is brought up to what is proposed now."""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple, Self
from zlib import crc32

import msgspec
import structlog
from confluent_kafka import KafkaError, Message, Producer

from agents.kafka_log import LOG
from agents.topics import Topics
from agents.whole_topic import WholeTopic, text
from pipeline import metrics
from pipeline.recommend.recommendation import Recommendation
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_FLUSH_SECONDS = 30.0


class PublishError(RuntimeError):
    """Kafka does not take what is proposed; it is published anew the next time."""


class _Namespace(msgspec.Struct):
    namespace: str


class _Last(NamedTuple):
    """What stands under a name: whose it is, and a hash of it."""

    namespace: str
    digest: bytes


class RecommendationsTopic:
    """Followed in full, by every worker: what another one wrote last, before its partitions came to us, is
    known, and what it writes after that is put right with the next `publish`.

    One thread at a time. Raises KafkaException where Kafka cannot be reached in the beginning.
    """

    def __init__(self, settings: Settings) -> None:
        topic = Topics(settings).recommendations
        self._name, self._partitions = topic.name, topic.partitions
        self._last: dict[str, _Last] = {}
        self._whole = WholeTopic(settings, self._name)
        options = {"enable.idempotence": True, "compression.type": "zstd", "linger.ms": 20}
        self._producer = Producer(settings.kafka.confluent() | options, logger=LOG)

    def read(self, seconds: float) -> bool:
        """Take in what is new; whether all is known that was there in the beginning."""
        for message in self._whole.read(seconds):
            self._take(message)
        return self._whole.at_end

    def publish(self, found: Iterable[Recommendation], partitions: set[int]) -> None:
        """Bring what stands on the topic of the namespaces of these partitions up to what was found:
        what is new or changed is written, what is not recommended any more gets a tombstone.

        Raises PublishError.
        """
        values = {each.name: (each.namespace, msgspec.json.encode(each)) for each in found}
        gone = [
            name
            for name, last in self._last.items()
            if name not in values and partition_of(last.namespace, self._partitions) in partitions
        ]
        errors: list[KafkaError] = []
        for name, (namespace, value) in values.items():
            if self._last.get(name) != _Last(namespace, _digest(value)):
                self._write(name, value, errors)
        for name in gone:
            self._write(name, None, errors)
        left = self._producer.flush(_FLUSH_SECONDS)
        if errors or left:
            reason = errors[0].str() if errors else f"{left} records wait"
            raise PublishError(f"Kafka does not take recommendations: {reason}")

    def _write(self, name: str, value: bytes | None, errors: list[KafkaError]) -> None:
        def delivered(error: KafkaError | None, message: Message) -> None:
            if error:
                errors.append(error)
            else:
                metrics.RECOMMENDATIONS_PUBLISHED.labels("proposed" if value else "withdrawn").inc()
                self._take(message)

        while True:
            try:
                self._producer.produce(self._name, value, name, on_delivery=delivered)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _take(self, message: Message) -> None:
        name, value = text(message.key()), message.value()
        if value is None:
            self._last.pop(name, None)
            return
        try:
            namespace = msgspec.json.decode(value, type=_Namespace).namespace
        except msgspec.MsgspecError as error:
            log.warning("a recommendation that cannot be read", name=name, reason=str(error))
            namespace = name.removeprefix("snp:").partition("/")[0]
        self._last[name] = _Last(namespace, _digest(value))

    def close(self) -> None:
        self._whole.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def partition_of(namespace: str, partitions: int) -> int:
    """The partition of flow-observations that a namespace's messages are in (librdkafka's own choice)."""
    return crc32(namespace.encode()) % partitions


def _digest(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=16).digest()

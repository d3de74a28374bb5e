"""The flows of a reject: as its record kept them, or where it stood first, if they are still there."""

from hashlib import sha256

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.kafka_log import LOG
from agents.topics import Topics, topic_id
from pipeline import record
from pipeline.dead_letter import Origin
from pipeline.flow import Message
from pipeline.kept_rejects import Kept
from pipeline.limits import limits_of
from pipeline.record import RecordError
from pipeline.rows import Rows
from pipeline.settings import Settings

_TIMEOUT = 10.0
_MOST = 900_000  # bytes of a message that every Kafka takes

type Flows = list[tuple[Origin, bytes]]


class CannotReplayError(ValueError):
    """A reject that cannot be sent again; the message says why."""


class Originals:
    """Finds what to send again for a reject. Its methods raise KafkaException where Kafka is away."""

    def __init__(self, settings: Settings) -> None:
        self._name = Topics(settings).flows.name
        self._limits = limits_of(settings.flows)
        self._topic_id = topic_id(AdminClient(settings.kafka.confluent(), logger=LOG), self._name)
        options = {
            "group.id": "flowtier-reader",  # asked for by the client, never joined
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
        }
        self._consumer = Consumer(settings.kafka.confluent() | options, logger=LOG)

    def flows_of(self, kept: Kept, value: bytes) -> Flows:
        """Messages to send for a reject of which `value` was kept, and the origin that each has to tell.

        Of what was kept in part the rest is looked for, and sent flow by flow. Raises CannotReplayError.
        """
        if kept.stage == "read":
            raise CannotReplayError("Kafka's client cannot read it")
        if kept.size is None:
            raise CannotReplayError("a tombstone holds no flow")
        flows = [(kept.origin, value)] if kept.whole else self._found(kept, value)
        if any(len(each) > _MOST for _, each in flows):
            raise CannotReplayError(f"one flow of it has more than {_MOST} bytes")
        return flows

    def close(self) -> None:
        self._consumer.close()

    def _found(self, kept: Kept, value: bytes) -> Flows:
        content, row = self._content(kept.origin), kept.origin.row
        if row is None and sha256(content or b"").hexdigest() != kept.sha256:
            raise CannotReplayError("another message stands where it stood")
        rows = Rows()
        whole = kept.origin._replace(row=None)
        try:
            rows.add(Message(content, *whole[:4]), whole, self._limits)
        except RecordError as error:
            raise CannotReplayError(str(error)) from None
        flows = [(rows.origin(at), raw) for at, raw in enumerate(rows.raw)]
        if row is None:
            return flows
        if not flows[row:] or not _is_of(flows[row][1], kept, value):
            raise CannotReplayError("another flow stands where it stood")
        return [flows[row]]

    def _content(self, origin: Origin) -> bytes | None:
        """The value of the message at an origin."""
        if origin.topic_id != self._topic_id:
            raise CannotReplayError("only a part was kept, and the topic that it stood on is gone")
        part = TopicPartition(self._name, origin.partition, origin.offset)
        low, high = self._consumer.get_watermark_offsets(part, _TIMEOUT)
        if not low <= origin.offset < high:
            raise CannotReplayError("only a part was kept, and Kafka has deleted the rest")
        self._consumer.assign([part])
        message = self._consumer.poll(_TIMEOUT)
        if message is None or (error := message.error()):
            raise KafkaException(error if message is not None else KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001
        return message.value() if message.offset() == origin.offset else None


def _is_of(raw: bytes, kept: Kept, value: bytes) -> bool:
    """Whether a flow is the one that was rejected. Of a document the flow's own JSON is the beginning."""
    if kept.stage == "decode":
        return sha256(raw).hexdigest() == kept.sha256
    try:
        own = record.read(raw)[0]
    except RecordError:
        return False
    return value.startswith(own[:-1][: len(value)])

"""A topic as one member of a group sees it: batches out, in order, and their offsets once they are done."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient

from agents.kafka_log import LOG
from agents.topics import topic_id
from agents.unreadable_batches import UNREADABLE, end_of_batch
from agents.whole_topic import is_end
from pipeline import flow, metrics
from pipeline.dead_letter import Origin, Reject
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_TIMEOUT = 10.0
_ASK_SECONDS = 5.0  # how often Kafka is asked which topic this is, where nothing comes of it
# With these the client tells that it does not know where to go on.
_STRAYED = UNREADABLE | {KafkaError._AUTO_OFFSET_RESET}  # noqa: SLF001
_FETCH_BYTES = 2**20  # the least that Kafka's client takes
_FIRST_MESSAGE_BYTES = 512 * 1024  # what a message is taken to weigh before any has been seen


class Most(NamedTuple):
    """What a batch is at most, about: lines of its messages and bytes of them; and how many seconds one that
    is not full waits for more."""

    lines: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Taken:
    """Messages taken in `epoch`, and the offsets to commit once they are done, by partition.

    `unreadable`: batches between them that nobody can read.
    """

    epoch: int
    messages: list[flow.Message] = field(default_factory=list)
    until: dict[int, int] = field(default_factory=dict)
    unreadable: list[Reject] = field(default_factory=list)

    def __str__(self) -> str:
        ends = ", ".join(f"{partition} before {offset}" for partition, offset in sorted(self.until.items()))
        return f"{len(self.messages)} messages of partitions {ends}"


class GroupTopic:
    """Consumer of a worker; who commits, and with what, is for those to say who inherit from it.

    `take` and `idle` belong to one thread. Everything that breaks the order of things (a rebalance, a
    commit that failed, a topic made anew) does one thing: the epoch goes up. Then what was taken before is
    dropped, and every partition is read again from what is committed; the documents written meanwhile are
    written once more under the same ids.
    """

    def __init__(self, settings: Settings, name: str, group: str, most: Most) -> None:
        self._settings = settings
        self._name = name
        self._most = most
        self._epochs = itertools.count(1)
        self._epoch = self._assigned_epoch = 0
        self._assigned: list[int] = []
        self._positions: dict[int, int] = {}  # by partition: what comes next
        self._paused: set[int] = set()
        self._message_bytes = _FIRST_MESSAGE_BYTES
        self._admin = AdminClient(settings.kafka.confluent(), logger=LOG)
        self._topic_id, self._asked_at = topic_id(self._admin, self._name), time.monotonic()
        self._consumer = Consumer(_options(settings, group, most.bytes), logger=LOG)
        self._consumer.subscribe(
            [self._name], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    @property
    def assigned(self) -> list[int]:
        """The partitions that this worker holds."""
        return self._assigned

    def take(self) -> Taken | None:
        """The next messages, about as many as the settings say; None where there are none now."""
        if self._epoch != self._assigned_epoch and not self._start_over():
            return None
        taken, strayed = Taken(self._epoch), dict[int, KafkaError]()
        for message in self._consume():
            partition, error = _partition(message), message.error()
            if partition in strayed:
                continue
            if _has_strayed(message):
                assert error
                strayed[partition] = error
                continue
            offset = message.offset()
            assert offset is not None
            taken.until[partition] = offset if is_end(message) else offset + 1
            if error is None:
                taken.messages.append(self._plain(message, partition, offset))
        # A consumer at the end of a topic never learns that another one of its name ends there too.
        if taken.until or strayed or time.monotonic() > self._asked_at + _ASK_SECONDS:
            self._check_topic_id()
        if taken.epoch == self._epoch:
            self._positions |= taken.until
            if strayed:
                self._go_on(strayed, taken)
        if taken.epoch == self._epoch:
            return taken if taken.until else None
        if taken.until:  # of before and after a rebalance, who knows which: all of it is read again
            self._epoch = next(self._epochs)
        return None

    def idle(self) -> None:
        """Stay a living member of the group without taking anything."""
        self._consumer.pause(self._parts(self._assigned))
        if self._consumer.poll(0) is not None:
            self._drop("a message came while nothing was to be taken")
        self._consumer.resume(self._parts(set(self._assigned) - self._paused))

    def is_current(self, taken: Taken) -> bool:
        """Whether nothing has happened since that makes it be read again."""
        return taken.epoch == self._epoch

    def pause(self, partition: int) -> None:
        """Take nothing more of a partition until the worker starts again."""
        self._paused.add(partition)
        self._consumer.pause(self._parts([partition]))

    def lag(self) -> Mapping[int, int]:
        """Messages of each assigned partition that are not committed yet.

        Raises KafkaException where Kafka or the topic is away, whether partitions are assigned or not.
        """
        topic = self._consumer.list_topics(self._name, _TIMEOUT).topics[self._name]
        if topic.error:
            raise KafkaException(topic.error)
        committed = self._consumer.committed(self._parts(self._assigned), _TIMEOUT)
        return {part.partition: self._behind(part) for part in committed}

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _commit(self, taken: Taken, write: Callable[[list[TopicPartition], Any], None]) -> bool:
        """Have `write` commit offsets as read by the group; False where what was taken is dropped."""
        group, of_topic = self._consumer.consumer_group_metadata(), self._topic_id
        if taken.epoch != self._epoch:  # asked after the generation: an older batch never gets a newer one
            return False
        offsets = [TopicPartition(self._name, *place, of_topic) for place in taken.until.items()]
        try:
            write(offsets, group)
        except KafkaException as error:
            self._drop(f"what was done cannot be committed: {error.args[0].str()}")
            return False
        return True

    def _plain(self, message: Message, partition: int, offset: int) -> flow.Message:
        headers: Any = message.headers() or ()  # a list of pairs, whatever the client's types say
        known = tuple((name, value) for name, value in headers if value is not None)
        return flow.Message(message.value(), self._topic_id, partition, offset, message.timestamp()[1], known)

    def _go_on(self, strayed: dict[int, KafkaError], taken: Taken) -> None:
        """Go on behind what cannot be read, in partitions where the client has lost its way."""
        try:
            for partition, error in strayed.items():
                first = self._positions[partition]
                end = self._positions[partition] = self._next_readable(partition, first, error)
                if end > first:
                    reason = f"cannot be read: the messages at offsets {first} to {end - 1} ({error.str()})"
                    origin = Origin(self._topic_id, partition, first, int(time.time() * 1000), None)
                    taken.unreadable.append(Reject(origin, "read", reason, None))
                    taken.until[partition] = end
                    log.error(reason, partition=partition)
            self._assign()
        except KafkaException as failed:
            self._drop(f"Kafka does not say where to go on: {failed.args[0].str()}")

    def _next_readable(self, partition: int, offset: int, error: KafkaError) -> int:
        if error.code() in UNREADABLE:
            return end_of_batch(self._settings, self._name, partition, offset)
        # Deleted before we came there. What is still there means that the client has gone astray.
        low, high = self._consumer.get_watermark_offsets(TopicPartition(self._name, partition), _TIMEOUT)
        return min(max(low, offset), high)

    def _behind(self, committed: TopicPartition) -> int:
        # Asked for anew: what the client has heard of a paused partition is old.
        low, high = self._consumer.get_watermark_offsets(committed, _TIMEOUT)
        return max(0, high - max(low, committed.offset))

    def _consume(self) -> Iterator[Message]:
        size, lines = 0, 0
        while size < self._most.bytes and lines < self._most.lines:
            room = (self._most.bytes - size) // self._message_bytes
            most = max(1, min(room, self._most.lines - lines))
            found = [each for each in self._consumer.consume(most, self._most.seconds) if _tells(each)]
            values = [message.value() or b"" for message in found if message.error() is None]
            yield from found
            if values:
                self._message_bytes = 1 + sum(map(len, values)) // len(values)
            size += sum(map(len, values))
            lines += sum(value.count(b"\n") + 1 for value in values)
            if len(found) < most or any(map(_has_strayed, found)):
                return

    def _start_over(self) -> bool:
        """Read the assigned partitions from what is committed; False where Kafka does not tell that now."""
        epoch = self._epoch
        try:
            parts = self._parts(self._assigned)
            committed = self._consumer.committed(parts, _TIMEOUT) if parts else []
            self._positions = {part.partition: self._begin(part) for part in committed}
            self._assign()
        except KafkaException as error:
            log.warning("Kafka does not say what is committed", reason=error.args[0].str())
            self._consumer.poll(self._most.seconds)  # whatever it gives will be read again
            return False
        self._assigned_epoch = epoch
        return True

    def _begin(self, committed: TopicPartition) -> int:
        """Where a partition goes on: an offset says of which topic it is, since what a worker had in hand of
        a deleted one can end up committed for another of its name."""
        if committed.error:
            raise KafkaException(committed.error)
        if committed.offset >= 0 and committed.metadata in (None, "", self._topic_id):
            return committed.offset
        low: int = self._consumer.get_watermark_offsets(committed, _TIMEOUT)[0]
        return low

    def _assign(self) -> None:
        """Have the assigned partitions read from where they stand."""
        self._consumer.assign([TopicPartition(self._name, *place) for place in self._positions.items()])
        # Kafka's client keeps a partition paused that was taken away while it was.
        self._consumer.resume(self._parts(set(self._assigned) - self._paused))
        self._consumer.pause(self._parts(self._paused.intersection(self._assigned)))

    def _drop(self, why: str) -> None:
        self._epoch = next(self._epochs)
        metrics.STARTED_OVER.inc()
        log.warning("what is in flight is dropped and read again", why=why)

    def _check_topic_id(self) -> None:
        """Messages taken between two equal answers are of this topic, and not of one made anew under
        its name, whose offsets would be taken for those of the old one."""
        self._asked_at = time.monotonic()
        try:
            answer = topic_id(self._admin, self._name)
        except KafkaException as error:
            self._drop(f"Kafka does not say which topic this is: {error.args[0].str()}")
            return
        if answer != self._topic_id:
            self._drop(f"topic {self._name} was made anew")
            self._topic_id = answer  # after that, so that no older batch is committed by it

    def _on_assign(self, _: Consumer, parts: list[TopicPartition]) -> None:
        self._assigned = sorted(part.partition for part in parts)
        self._epoch = next(self._epochs)
        self._consumer.assign([])  # until it is known where to begin
        log.info("partitions assigned", partitions=self._assigned)

    def _on_revoke(self, _: Consumer, parts: list[TopicPartition]) -> None:
        self._assigned, self._positions = [], {}
        self._epoch = self._assigned_epoch = next(self._epochs)
        log.info("partitions revoked", partitions=sorted(part.partition for part in parts))

    def _parts(self, partitions: Iterable[int]) -> list[TopicPartition]:
        return [TopicPartition(self._name, partition) for partition in partitions]


def _options(settings: Settings, group: str, most_bytes: int) -> dict[str, object]:
    worker = settings.worker
    return settings.kafka.confluent() | {
        "group.id": settings.topics.prefix + group,
        **({"group.instance.id": worker.instance} if worker.instance else {}),
        "session.timeout.ms": int(worker.session_timeout_seconds * 1000),
        "heartbeat.interval.ms": int(worker.heartbeat_seconds * 1000),
        # All partitions are given back in a rebalance, so that all are read again from what is committed.
        "partition.assignment.strategy": "roundrobin",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "error",  # nothing is read twice or passed over without a word
        "enable.partition.eof": True,  # tells the offset behind a transaction's end mark
        "queued.max.messages.kbytes": max(1, most_bytes // 1024),
        # What is fetched at once comes on top of that, and packed: unpacked it is ten or twenty times that.
        "fetch.max.bytes": _FETCH_BYTES,
        "fetch.message.max.bytes": _FETCH_BYTES // 4,  # of one partition
        "fetch.queue.backoff.ms": 10,  # the default of a second costs three quarters of the throughput
        "fetch.wait.max.ms": 100,
        "check.crcs": True,
    }


def _partition(message: Message) -> int:
    partition = message.partition()
    assert partition is not None
    return partition


def _has_strayed(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() in _STRAYED


def _tells(message: Message) -> bool:
    """Whether it is more than word of a trouble that the client itself gets over."""
    error = message.error()
    if error is None or is_end(message) or _has_strayed(message):
        return True
    log.warning("Kafka", reason=error.str(), partition=message.partition(), offset=message.offset())
    return False

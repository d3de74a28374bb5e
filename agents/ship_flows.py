"""Ships a node's flow log to topic `flows`, each line once: lines and place in one transaction."""

import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import structlog
from confluent_kafka import KafkaError, KafkaException

from agents.follow_file import FollowFile
from agents.log_files import LogFile, Parcel
from agents.places import Place, Places, encode
from agents.topics import Topics
from agents.transactions import OPEN_SECONDS, Record, Transactions
from agents.whole_topic import WholeTopic, text
from pipeline import metrics
from pipeline.settings import Settings
from pipeline.user_error import UserError

log = structlog.get_logger(__name__)

_POLL = 0.2  # seconds between looks at the file
_AT_ONCE = 8 * 2**20  # bytes of one transaction, about
_WAITS = (0.5, 1.0, 2.0, 5.0, 10.0)  # seconds between tries while Kafka is away
_STOPPING = 10.0
_FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)  # noqa: SLF001
_DAY = 86_400
_TAKEN_OVER = "another shipper has taken over node {node}: this one ends"


class ShipError(UserError):
    """The shipper cannot go on; the message says why."""


class Shipper:
    """What is read waits in a bounded buffer, which a thread of its own brings to Kafka.

    One shipper at a time runs for a node: a second one shuts the first out, which then ends.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises KafkaException where Kafka is away."""
        self._settings = settings
        self._topics = Topics(settings)
        self._node = settings.shipper.node or socket.gethostname()
        self._transactions = Transactions(settings, f"{settings.topics.prefix}shipper.{self._node}")
        self._places = Places(self._node)
        self._settle()
        self._buffer: deque[Parcel] = deque()
        self._held = 0  # bytes in the buffer, and in the transaction under way
        self._changed = threading.Condition()
        self._ending = False
        self._error: ShipError | None = None
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()

    def ship(self, file: Path) -> int:
        """Ship a file from where it was left to its end; the number of lines that were.

        Raises OSError where it cannot be read, ShipError where another shipper took over.
        """
        lines = 0
        source = LogFile(file)
        source.resume(self._places)
        for parcel in source.parcels(self._node, self._settings.shipper.batch_bytes, flush=True, ended=True):
            while not self._offer(parcel):
                pass
            lines += parcel.lines
        source.close()
        self._finish(None)
        return lines

    def follow(self, file: Path, stop: threading.Event) -> None:
        """Ship what is written to a file until `stop` is set. Raises ShipError as `ship` does."""
        options = self._settings.shipper
        keep = self._settings.flows.retention_days * _DAY
        follower = FollowFile(file, self._places, self._node, options.batch_bytes, keep)
        flushed = time.monotonic()
        while not stop.is_set():
            flush = time.monotonic() - flushed >= options.batch_seconds
            flushed = time.monotonic() if flush else flushed
            for parcel in follower.parcels(flush=flush):
                while not self._offer(parcel) and not stop.is_set():
                    follower.open_new()
                if stop.is_set():  # behind one that was not taken, none may be
                    break
            stop.wait(_POLL)
        self._finish(_STOPPING)

    def _offer(self, parcel: Parcel) -> bool:
        """Put a parcel into the buffer; False where there was no room for some time."""
        with self._changed:
            self._raise()
            if self._held and self._held + len(parcel.value) > self._settings.shipper.buffer_bytes:
                self._changed.wait(_POLL)
                return False
            self._buffer.append(parcel)
            self._held += len(parcel.value)
            self._changed.notify_all()
            return True

    def _finish(self, seconds: float | None) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._sender.join(seconds)
        self._raise()

    def _raise(self) -> None:
        if self._error:
            raise self._error

    def _send(self) -> None:
        try:
            while parcels := self._next():
                self._deliver(parcels)
        except ShipError as error:
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _next(self) -> list[Parcel]:
        """The parcels of the next transaction; [] at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._buffer or self._ending)
            parcels: list[Parcel] = []
            size = 0
            while self._buffer and size < _AT_ONCE:
                parcels.append(self._buffer.popleft())
                size += len(parcels[-1].value)
            return parcels

    def _deliver(self, parcels: list[Parcel]) -> None:
        """Try until the parcels are in Kafka: all at once, or none."""
        after = {parcel.place.key: parcel.place for parcel in parcels}
        before = self._places.get(after)
        for wait in _waits():
            try:
                if wait:
                    time.sleep(wait)
                    self._settle()
                if not wait or not self._is_done(before, after):
                    self._try(parcels, after)
                break
            except KafkaException as error:
                metrics.SHIPPER_WAITING.set(1)
                log.warning(
                    "Kafka does not take what was read: it is tried again", reason=error.args[0].str()
                )
        metrics.SHIPPER_WAITING.set(0)
        metrics.SHIPPED_FLOWS.inc(sum(each.lines for each in parcels))
        metrics.SHIPPED_BYTES.inc(sum(len(each.value) for each in parcels))
        with self._changed:
            self._held -= sum(len(each.value) for each in parcels)
            self._changed.notify_all()

    def _is_done(self, before: dict[str, Place], after: dict[str, Place]) -> bool:
        """Whether Kafka has what it could not say that it had taken."""
        now = self._places.get(after)
        if now not in (before, after):
            raise ShipError(_TAKEN_OVER.format(node=self._node))
        return now == after

    def _try(self, parcels: list[Parcel], after: dict[str, Place]) -> None:
        began = time.monotonic()
        try:
            self._transactions.run(self._records(parcels, after))
        except KafkaException as error:
            # Kafka also shuts out who left a transaction open for too long: that one may begin again.
            if error.args[0].code() in _FENCED and time.monotonic() - began < OPEN_SECONDS:
                raise ShipError(_TAKEN_OVER.format(node=self._node)) from None
            raise
        for place in after.values():
            self._places.remember(place)

    def _records(self, parcels: list[Parcel], after: dict[str, Place]) -> Iterator[Record]:
        for parcel in parcels:
            yield Record(self._topics.flows.name, None, parcel.value)
        for place in after.values():
            yield Record(self._topics.shipper_places.name, *encode(place))

    def _settle(self) -> None:
        """End what an earlier transaction, or another shipper, had begun; then read what is in Kafka."""
        self._transactions.begin_alone()
        with WholeTopic(self._settings, self._topics.shipper_places.name) as topic:
            for message in topic.read_to_end():
                self._places.put(text(message.key()), message.value())


def _waits() -> Iterator[float]:
    yield 0.0
    yield from _WAITS
    while True:
        yield _WAITS[-1]

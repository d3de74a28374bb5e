"""Topic flows-rejected as a person sees it: each reject once, and whether it was replayed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import structlog
from confluent_kafka import Message

from agents.topics import Topics
from agents.whole_topic import WholeTopic
from pipeline import kept_rejects
from pipeline.dead_letter import kind_of
from pipeline.kept_rejects import Kept, UnknownRecordError
from pipeline.settings import Settings

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Listed:
    """A reject, without its value. Times in ms since the epoch; `replayed_at` None: it is open."""

    kept: Kept
    place: tuple[int, int]  # partition and offset of its record on flows-rejected
    rejected_at: int
    replayed_at: int | None = None

    @property
    def kind(self) -> str:
        return kind_of(self.kept.reason)

    @property
    def state(self) -> str:
        return "open" if self.replayed_at is None else "replayed"

    @property
    def where(self) -> str:
        """Where it stood first, for eyes."""
        origin = self.kept.origin
        row = "" if origin.row is None else f" row {origin.row}"
        return f"{origin.topic_id[:8]} {origin.partition}/{origin.offset}{row}"


def read_rejects(settings: Settings) -> list[Listed]:
    """Every reject as it stands: of those with one origin the last, replayed or rejected once more.

    Raises KafkaException.
    """
    listed: dict[tuple[str, int, int, int | None], Listed] = {}
    for message in records(settings):
        try:
            record = kept_rejects.read(message.value())
        except UnknownRecordError as error:
            log.warning("a record is passed over", place=place(message), why=str(error))
            continue
        origin = record.origin
        key = origin.topic_id, origin.partition, origin.offset, origin.row
        if isinstance(record, Kept):
            listed[key] = Listed(record, place(message), message.timestamp()[1])
        elif key in listed:
            listed[key].replayed_at = record.replayed
    return sorted(listed.values(), key=lambda each: (each.rejected_at, each.place))


def records(settings: Settings) -> Iterator[Message]:
    """The committed records of the topic. Raises KafkaException."""
    with WholeTopic(settings, Topics(settings).rejects.name) as topic:
        while not topic.at_end:
            yield from topic.read(0.1)


def place(message: Message) -> tuple[int, int]:
    return cast("int", message.partition()), cast("int", message.offset())

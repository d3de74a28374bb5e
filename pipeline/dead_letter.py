"""Rejects: messages and flows that can never be processed, and their record on the dead-letter topic."""

import re
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal, NamedTuple

import orjson

from pipeline.flow import Message

type Stage = Literal["read", "decode", "index"]
type Headers = list[tuple[str, bytes]]

KEPT_BYTES = 64 * 1024
KEPT_REASON = 1_000  # characters: some tell the whole of a wrong value

# Headers that carry where and when a flow stood first, so that a replayed reject keeps its document id
# and, where the record itself has no times, its index.
_HEADERS = ("flowtier-topic-id", "flowtier-partition", "flowtier-offset", "flowtier-timestamp")
_ROW = "flowtier-row"

_TOPIC_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_DETAIL = re.compile(r": | \(| - | '")
_NUMBER = re.compile(rb"[0-9]{1,18}")


class Origin(NamedTuple):
    """Where a flow stood first. `timestamp` is Kafka's, ms since the epoch; `row` counts the flows of
    one message, None = the whole message."""

    topic_id: str
    partition: int
    offset: int
    timestamp: int
    row: int | None

    @classmethod
    def of(cls, message: Message) -> "Origin":
        """The origin that a replayed reject's headers tell, where they are whole and valid; else where
        the message itself stands. Foreign headers mean nothing."""
        return (message.headers and _told(dict(message.headers))) or cls.plain(message)

    @classmethod
    def plain(cls, message: Message) -> "Origin":
        when = max(message.timestamp, 0)  # -1: a producer from before Kafka had timestamps
        return cls(message.topic_id, message.partition, message.offset, when, None)

    @property
    def document_id(self) -> str:
        """The id of the document of this flow."""
        return f"{self.topic_id}-{self.partition}-{self.offset}-{self.row}"

    @property
    def key(self) -> bytes:
        """The key of its records on the dead-letter topic: all of one message, in their order."""
        return f"{self.topic_id}-{self.partition}-{self.offset}".encode()

    def headers(self) -> Headers:
        """The headers that tell this origin."""
        row = [] if self.row is None else [(_ROW, str(self.row).encode())]
        return [*((name, str(part).encode()) for name, part in zip(_HEADERS, self[:4], strict=True)), *row]


def _told(headers: dict[str, bytes]) -> Origin | None:
    topic_id, *numbers = [headers.get(name) or b"" for name in _HEADERS]
    row = headers.get(_ROW)
    valid = _TOPIC_ID.fullmatch(topic_id) and all(map(_NUMBER.fullmatch, numbers))
    if not valid or (row is not None and not _NUMBER.fullmatch(row)):
        return None
    partition, offset, timestamp = map(int, numbers)
    return Origin(topic_id.decode(), partition, offset, timestamp, None if row is None else int(row))


@dataclass(frozen=True, slots=True)
class Reject:
    """What can never be processed: where it stood, the stage that refused it, the reason in words, and
    its bytes (None: a tombstone)."""

    origin: Origin
    stage: Stage
    reason: str
    value: bytes | None

    @property
    def kind(self) -> str:
        """Fit for the label of a metric."""
        return kind_of(self.reason)


def kind_of(reason: str) -> str:
    """A reason without what differs from flow to flow: the same for all that have the same cause."""
    return _DETAIL.split(reason, maxsplit=1)[0]


def to_record(reject: Reject) -> tuple[bytes, bytes, Headers]:
    """The Kafka record of a reject as (key, value, headers); docs/schemas/flows-rejected.v1.json.

    At most the first 64 KiB of what was refused are kept, beside the size and the SHA-256 of all of it.
    """
    origin = reject.origin
    value = reject.value or b""
    body: dict[str, Any] = {
        "v": 1,
        "origin": origin._asdict(),
        "stage": reject.stage,
        "reason": reject.reason[:KEPT_REASON],
        "size": None if reject.value is None else len(value),
        "sha256": sha256(value).hexdigest(),
        **_kept(value[:KEPT_BYTES], whole=len(value) <= KEPT_BYTES),
    }
    return origin.key, orjson.dumps(body), origin.headers()


def _kept(head: bytes, *, whole: bool) -> dict[str, Any]:
    try:
        return {"encoding": "text", "value": head.decode(), "whole": whole}
    except UnicodeDecodeError:
        return {"encoding": "base64", "value": b64encode(head).decode(), "whole": whole}

"""Kafka messages ▸ rows: the flows in them, each the bytes of one JSON object on one line, with its id."""

from bisect import bisect_right
from dataclasses import dataclass, field

import msgspec
from msgspec import Raw

from pipeline import goldmane
from pipeline.dead_letter import Origin, Reject
from pipeline.flow import Message
from pipeline.limits import Limits
from pipeline.record import RecordError

_ARRAY = msgspec.json.Decoder(list[Raw])


@dataclass(slots=True)
class Rows:
    """The flows of some messages; `starts` are the first rows of `origins`."""

    raw: list[bytes] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)  # of documents: topic id, partition, offset, row
    origins: list[Origin] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def add(self, message: Message, origin: Origin, limits: Limits) -> None:
        """Append the flows of one message; RecordError where it has none, or is beyond the limits."""
        lines = _lines(message.value, limits)
        if origin.row is not None and len(lines) > 1:  # one row's origin cannot be theirs
            origin = Origin.plain(message)
        self.starts.append(len(self.raw))
        self.origins.append(origin)
        self.raw += lines
        first = origin.row or 0
        prefix = f"{origin.topic_id}-{origin.partition}-{origin.offset}-"
        self.ids += [f"{prefix}{row}" for row in range(first, first + len(lines))]

    def origin(self, at: int) -> Origin:
        """Where the flow of row `at` stood first."""
        message = bisect_right(self.starts, at) - 1
        origin = self.origins[message]
        return origin._replace(row=(origin.row or 0) + at - self.starts[message])

    def reject(self, at: int, reason: str) -> Reject:
        return Reject(self.origin(at), "decode", reason, self.raw[at])


def _lines(value: bytes | None, limits: Limits) -> list[bytes]:
    if value is None:
        raise RecordError("a tombstone: the message has no value")
    if len(value) > limits.value_bytes:
        raise RecordError(f"too large: {len(value)} bytes in one message, the most is {limits.value_bytes}")
    is_array = value.lstrip().startswith(b"[")
    # Looked at before it is cut up: a million commas are worth a hundred times their bytes in memory.
    if value.count(b"," if is_array else b"\n") > limits.flows * (_COMMAS if is_array else 1):
        raise RecordError(f"too many flows in one message, the most is {limits.flows}")
    lines = _array(value) if is_array else goldmane.lines(value)
    found = [line for line in map(bytes.strip, lines) if line]
    if not found:
        raise RecordError("an empty message")
    if len(found) > limits.flows:
        raise RecordError(f"too many flows in one message, the most is {limits.flows}")
    return found


_COMMAS = 64  # in one flow, about


def _array(value: bytes) -> list[bytes]:
    try:
        return [msgspec.json.format(bytes(flow), indent=-1) for flow in _ARRAY.decode(value)]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RecordError(f"not a JSON array: {error}") from None

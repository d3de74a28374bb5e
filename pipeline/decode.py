"""Kafka values ▸ FlowBatch and rejects: one bad flow is one reject, its neighbours are untouched."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address

import msgspec
import numpy as np
from msgspec import Raw

from pipeline import goldmane
from pipeline.columns import NO_PROTOCOL, NO_TIME, fill
from pipeline.dead_letter import Origin, Reject
from pipeline.flow import Endpoint, FlowBatch, Message
from pipeline.record import ABSENT, Record, RecordError, own_json, read


class _Labels(msgspec.Struct, gc=False):
    labels: list[str] | None = None


_LABELS = msgspec.json.Decoder(_Labels)
_ARRAY = msgspec.json.Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class Limits:
    """What a flow may be at most; beyond it is a reject. Seconds, bytes, labels of one endpoint."""

    retention: float = 8 * 86400
    ahead: float = 86400
    value_bytes: int = 50_000_000
    labels: int = 1024


@dataclass(frozen=True, slots=True)
class Decoded:
    """The flows of some messages, in their order, and what could not be read of them."""

    batch: FlowBatch
    rejects: list[Reject]


@dataclass(slots=True)
class _Rows:
    """The flows found in the messages, still as bytes; `starts` are the first rows of `origins`."""

    raw: list[bytes] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def add(self, message: Message, origin: Origin, lines: list[bytes]) -> None:
        if origin.row is not None and len(lines) > 1:  # one row's origin cannot be theirs
            origin = Origin.plain(message)
        self.starts.append(len(self.raw))
        self.origins.append(origin)
        self.raw += lines
        first = origin.row or 0
        prefix = f"{origin.topic_id}-{origin.partition}-{origin.offset}-"
        self.ids += [f"{prefix}{row}" for row in range(first, first + len(lines))]

    def reject(self, at: int, reason: str) -> Reject:
        message = bisect_right(self.starts, at) - 1
        origin = self.origins[message]
        row = (origin.row or 0) + at - self.starts[message]
        return Reject(origin._replace(row=row), "decode", reason, self.raw[at])


def decode(messages: Sequence[Message], now: float | None = None, limits: Limits = Limits()) -> Decoded:
    """Read every flow of `messages`: one flow, newline-separated flows or a JSON array each.

    `now` (s since the epoch): flows older than the retention or further ahead than the limit are
    rejects; None = flows of any time are taken. Nothing is raised for bad input.
    """
    rows, rejects = _Rows(), []
    for message in messages:
        origin = Origin.of(message)
        try:
            rows.add(message, origin, _lines(message.value, limits))
        except RecordError as error:
            rejects.append(Reject(origin, "decode", str(error), message.value))
    good, records, faults = _read(rows.raw)
    batch = _fill(rows, good, records)
    late = _faults(batch, now, limits)
    if late:
        faults |= {good[i]: reason for i, reason in late.items()}
        kept = [i for i in range(len(good)) if i not in late]
        batch = _fill(rows, [good[i] for i in kept], [records[i] for i in kept])
    return Decoded(batch, rejects + [rows.reject(row, faults[row]) for row in sorted(faults)])


def _lines(value: bytes | None, limits: Limits) -> list[bytes]:
    """The flows of one message, each on one line. RecordError where the message as a whole is none."""
    if value is None:
        raise RecordError("a tombstone: the message has no value")
    if len(value) > limits.value_bytes:
        raise RecordError(f"{len(value)} bytes in one message; the most is {limits.value_bytes}")
    first = value.lstrip()[:1]
    if first == b"{":
        lines = value.split(b"\n")
    else:
        lines = _array(value) if first == b"[" else goldmane.lines(value)
    found = [line for line in map(bytes.strip, lines) if line]
    if not found:
        raise RecordError("an empty message")
    return found


def _array(value: bytes) -> list[bytes]:
    try:
        rows = _ARRAY.decode(value)
        return [msgspec.json.format(bytes(row), indent=-1) for row in rows]
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RecordError(f"not a JSON array: {error}") from None


def _read(raw: list[bytes]) -> tuple[list[int], list[Record], dict[int, str]]:
    """The rows that are flows, their records, and what is wrong with the others. A flow that comes
    under other names, or with keys that the document adds, is rewritten in place."""
    good, records, faults = [], [], {}
    for row, line in enumerate(raw):
        try:
            raw[row], record = read(line)
        except RecordError as error:
            faults[row] = str(error)
            continue
        if not (record.timestamp is record.cluster is record.verdict is ABSENT):
            raw[row] = own_json(raw[row])
        good.append(row)
        records.append(record)
    return good, records, faults


def _fill(rows: _Rows, good: list[int], records: list[Record]) -> FlowBatch:
    messages = np.searchsorted(np.array(rows.starts, np.int64), good, side="right") - 1
    received = np.array([origin.timestamp for origin in rows.origins], np.int64)[messages]
    return fill([rows.raw[i] for i in good], [rows.ids[i] for i in good], records, received)


def _faults(batch: FlowBatch, now: float | None, limits: Limits) -> dict[int, str]:
    """What is wrong with flows that could be read, by their place in the batch."""
    late = np.inf if now is None else (now + limits.ahead) * 1000
    early = -np.inf if now is None else (now - limits.retention) * 1000
    checks = [
        (batch.proto == NO_PROTOCOL, "proto: no protocol's name or number"),
        ((batch.start == NO_TIME) | (batch.end == NO_TIME), "start_time, end_time: no seconds, no RFC 3339"),
        (batch.start > batch.end, "start_time is after end_time"),
        (batch.end > late, f"end_time is more than {limits.ahead:.0f} s in the future"),
        (batch.end < early, f"end_time is older than the retention of {limits.retention:.0f} s"),
    ]
    for i, endpoint in enumerate(batch.endpoints):
        if reason := _endpoint_fault(endpoint, limits.labels):
            checks.append(((batch.source == i) | (batch.dest == i), reason))
    return {int(i): reason for bad, reason in reversed(checks) for i in np.flatnonzero(bad)}


@lru_cache(maxsize=1 << 14)
def _endpoint_fault(endpoint: Endpoint, most: int) -> str | None:
    try:
        if endpoint.ip:
            ip_address(endpoint.ip)
        labels = () if endpoint.labels is None else _LABELS.decode(endpoint.labels).labels or ()
    except (ValueError, RecursionError) as error:
        return f"an endpoint's address or labels: {error}"
    return f"{len(labels)} labels of one endpoint; the most is {most}" if len(labels) > most else None

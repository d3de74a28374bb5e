"""Kafka values ▸ FlowBatch and rejects: one bad flow is one reject, its neighbours are untouched."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.columns import Columns
from pipeline.dead_letter import Origin, Reject
from pipeline.flow import FlowBatch, Ints, Message
from pipeline.limits import Limits, faults
from pipeline.record import Record, RecordError, read, read_all
from pipeline.rows import Rows

__all__ = ["Decoded", "Limits", "decode"]

_DEFAULTS = Limits()
_PART = 1024  # flows decoded at once: small enough to stay in the processor's cache


@dataclass(frozen=True, slots=True)
class Decoded:
    """The flows of some messages, in their order, and what could not be read of them."""

    batch: FlowBatch
    rejects: list[Reject]


def decode(messages: Sequence[Message], now: float | None = None, limits: Limits = _DEFAULTS) -> Decoded:
    """Read every flow of `messages`: one flow, newline-separated flows or a JSON array each.

    `now` (s since the epoch): flows older than the retention or further ahead than the limit are
    rejects; None = flows of any time are taken. Nothing is raised for bad input.
    """
    rows, rejects = Rows(), []
    for message in messages:
        origin = Origin.of(message)
        try:
            rows.add(message, origin, limits)
        except RecordError as error:
            rejects.append(Reject(origin, "decode", str(error), message.value))
    columns, good, wrong = Columns(), list[int](), dict[int, str]()
    for first in range(0, len(rows.raw), _PART):
        _read(rows.raw, range(first, min(first + _PART, len(rows.raw))), columns, good, wrong)
    batch = columns.batch([rows.raw[at] for at in good], [rows.ids[at] for at in good], _received(rows, good))
    beyond = faults(batch, now, limits)
    wrong |= {good[i]: reason for i, reason in beyond.items()}
    rejects += (rows.reject(at, wrong[at]) for at in sorted(wrong))
    return Decoded(batch.without(beyond) if beyond else batch, rejects)


def _read(raw: list[bytes], part: range, columns: Columns, good: list[int], wrong: dict[int, str]) -> None:
    """Read the rows `part` into `columns`. Appends to `good` where there is a flow, to `wrong` why not,
    and puts the flow's JSON as the document wants it in its place."""
    lines = raw[part.start : part.stop]
    if columns.add_alike(lines):
        good += part
    elif (records := read_all(lines)) is not None:
        columns.add(records)
        good += part
    else:
        columns.add(_read_each(raw, part, good, wrong))


def _read_each(raw: list[bytes], part: range, good: list[int], wrong: dict[int, str]) -> Sequence[Record]:
    records = []
    for at in part:
        try:
            raw[at], record = read(raw[at])
        except RecordError as error:
            wrong[at] = str(error)
        else:
            good.append(at)
            records.append(record)
    return records


def _received(rows: Rows, good: list[int]) -> Ints:
    """Kafka's timestamps of the rows `good`, in ms."""
    messages = np.searchsorted(np.array(rows.starts, np.int64), good, side="right") - 1
    return np.array([origin.timestamp for origin in rows.origins], np.int64)[messages]

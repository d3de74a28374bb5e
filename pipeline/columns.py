"""Decoded records as columns: what recurs in them, who sent what to whom, is read and interned once."""

from array import array
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np

from pipeline.flow import MISSING, Bools, FlowBatch, Ints
from pipeline.record import Record
from pipeline.stencil import COUNTERS, cut_out, read_run
from pipeline.who import NO_PROTOCOL, NOTHING, Numbers, Who, columns_of, distinct, text, translate, whos

__all__ = ["NO_PROTOCOL", "NO_TIME", "Columns"]

NO_TIME = -2  # a time that cannot be read

_YEAR_10000 = 253_402_300_800_000  # ms: index names have four digits for the year

_HOST, _START, _END = map(attrgetter, ("host", "start_time", "end_time"))
_COUNTS = tuple(map(attrgetter, COUNTERS))


class _Runs(dict[bytes, int]):
    """The bytes of what recurs in records ▸ the number of who they tell of."""

    def __init__(self, known: Numbers[Who]) -> None:
        self._known = known

    def __missing__(self, run: bytes) -> int:
        self[run] = number = self._known[_who_of(run)]
        return number


@lru_cache(maxsize=1 << 13)  # a cluster's flows recur from batch to batch
def _who_of(run: bytes) -> Who:
    (who,) = whos([read_run(run)])
    return who


class Columns:
    """Takes records in parts, small enough to stay in the processor's cache, and makes one batch."""

    def __init__(self) -> None:
        self._whos: Numbers[Who] = Numbers()
        self._runs = _Runs(self._whos)
        self._hosts: Numbers[str | None] = Numbers()
        self._times: Numbers[float | str | None] = Numbers()  # as written
        self._parts: list[Ints] = []  # each (columns, n)

    def add(self, records: Sequence[Record]) -> None:
        """Append `records` as the next rows."""
        self._append(self._whos.of(whos(records)), records)

    def add_alike(self, lines: Sequence[bytes]) -> bool:
        """Append the records of `lines` as the next rows, what recurs in them read once; False, and
        nothing is appended, where they are not written alike or one needs a closer look."""
        cut = cut_out(lines)
        if cut is None:
            return False
        runs, rests = cut
        try:
            numbers = list(map(self._runs.__getitem__, runs))
        except (ValueError, RecursionError):
            return False
        self._append(numbers, rests)
        return True

    def batch(self, raw: list[bytes], ids: list[str], received: Ints) -> FlowBatch:
        """The batch of all records added; `received` (n,): Kafka's timestamps in ms, which records
        without times take."""
        self.add(())  # so that there is a part
        who, host, start, end, *counts = np.concatenate(self._parts, axis=1)
        columns, values = columns_of(self._whos)
        hosts_of, hosts = distinct(map(text, self._hosts))
        ms = translate(self._times, _ms)
        start, end, timed = _times(ms[start], ms[end], received)
        return FlowBatch(
            raw=raw,
            ids=ids,
            start=start,
            end=end,
            timed=timed,
            host=hosts_of[host],
            hosts=hosts,
            **{name: column[who] for name, column in columns.items()},
            **values,
            **dict(zip(COUNTERS, counts, strict=True)),
        )

    def _append(self, who: list[int], records: Sequence[Record]) -> None:
        columns = [
            who,
            self._hosts.of(map(_HOST, records)),
            self._times.of(map(_START, records)),
            self._times.of(map(_END, records)),
            *(list(map(count, records)) for count in _COUNTS),
        ]
        self._parts.append(np.array(list(map(_integers, columns))))


def _integers(values: list[Any]) -> Ints:
    try:  # an array takes a list in a third of the time that numpy does
        return np.frombuffer(array("q", values), np.int64)
    except TypeError:  # a counter that is null
        return np.array([value or 0 for value in values], np.int64)


def _times(start: Ints, end: Ints, received: Ints) -> tuple[Ints, Ints, Bools]:
    no_start, no_end = start == MISSING, end == MISSING
    start, end = np.where(no_start, end, start), np.where(no_end, start, end)
    timed = ~(no_start & no_end)
    return np.where(timed, start, received), np.where(timed, end, received), timed


def _ms(time: float | str | None) -> int:
    """Milliseconds since the epoch; NO_TIME where it cannot be read."""
    if time is None or time in NOTHING:
        return MISSING
    try:
        seconds = datetime.fromisoformat(time).timestamp() if isinstance(time, str) else time
        ms = round(seconds * 1000)
    except (ValueError, OverflowError):
        return NO_TIME
    return ms if 0 <= ms < _YEAR_10000 else NO_TIME

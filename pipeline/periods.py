"""Indices that hold one period of time each: their names, and when what they hold has aged out."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

type Period = Literal["day", "week", "month"]

_DIGITS = {"day": "%Y%m%d", "week": "%Y%m%d", "month": "%Y%m"}
_LAST_MS = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) * 1000


@dataclass(frozen=True, slots=True)
class Series:
    """The indices `<stem>.<period>` of one kind of documents, kept for `days` after their period.

    A week is named by its Monday; times are UTC.
    """

    stem: str
    period: Period
    days: int

    def index_of(self, ms: int) -> str:
        """The index of what happened at a time, ms since the epoch."""
        return f"{self.stem}.{_begin(self.period, ms):{_DIGITS[self.period]}}"

    def has_aged_out(self, index: str, now: float) -> bool:
        """Whether it is one of these indices, and its period ended longer ago than it is kept."""
        begin = self._begin_of(index)
        return begin is not None and _end(self.period, begin) + timedelta(self.days) <= _time(now * 1000)

    def is_kept(self, ms: int, now: float) -> bool:
        """Whether the index of a time is kept still."""
        if not 0 <= ms < _LAST_MS:
            return False
        return _end(self.period, _begin(self.period, ms)) + timedelta(self.days) > _time(now * 1000)

    def _begin_of(self, index: str) -> datetime | None:
        """When the period of an index begins; None where it is none of these."""
        stem, _, digits = index.rpartition(".")
        if stem != self.stem or not re.fullmatch(
            "[0-9]{6}" if self.period == "month" else "[0-9]{8}", digits
        ):
            return None
        try:
            begin = datetime.strptime(digits, _DIGITS[self.period]).replace(tzinfo=UTC)
        except ValueError:
            return None
        return begin if self.index_of(int(begin.timestamp() * 1000)) == index else None


@lru_cache(maxsize=4096)
def _begin(period: Period, ms: int) -> datetime:
    day = _time(ms).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "week":
        return day - timedelta(day.weekday())
    return day.replace(day=1) if period == "month" else day


def _end(period: Period, begin: datetime) -> datetime:
    if period == "month":
        return (begin + timedelta(31)).replace(day=1)
    return begin + timedelta(7 if period == "week" else 1)


def _time(ms: float) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)

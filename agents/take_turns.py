"""Work that has time, done in the gaps of work that has none."""

import time
from collections.abc import Iterator

_LEAST_SECONDS = 0.01
_SHARE = 0.5


class Turns:
    """Pieces of work for a thread that others use too: each turn takes half as long as it was waited for, so
    that whoever else uses the thread waits half as long again at most, plus one piece."""

    def __init__(self, pieces: Iterator[None]) -> None:
        self._pieces = pieces

    def next(self, asked: float) -> bool:
        """One turn, asked for at some `time.perf_counter()`; whether all is done."""
        now = time.perf_counter()
        until = now + max(_LEAST_SECONDS, _SHARE * (now - asked))
        return all(time.perf_counter() < until for _ in self._pieces)

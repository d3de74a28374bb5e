"""Tells a partition whose messages are nearly all refused from one with a bad message now and then."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from pipeline.flow import Message

_LEAST = 1_000  # messages of a partition before anything is said of it
_SHARE = 0.9


class Refusals:
    """Counts messages and refused ones by partition, over the last thousand or so."""

    def __init__(self) -> None:
        self._messages: Counter[int] = Counter()
        self._refused: Counter[int] = Counter()

    def add(self, messages: Iterable[Message], refused: Collection[tuple[int, int]]) -> Iterator[int]:
        """The partitions to pause, after some more messages; `refused` are (partition, offset)."""
        seen = Counter(message.partition for message in messages)
        self._messages += seen
        self._refused += Counter(m.partition for m in messages if (m.partition, m.offset) in refused)
        for partition in seen:
            if self._messages[partition] < _LEAST:
                continue
            if self._refused[partition] > _SHARE * self._messages[partition]:
                yield partition
            del self._messages[partition], self._refused[partition]

"""Rows of bits that are made when first seen, and kept small: most differ little from a common one."""

from collections.abc import Callable

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pipeline.match.bits import Ints, Words, distinct_of

ROOM = 1.25  # how much a column grows at a time; `resize` moves its pages, so little is held twice


class Column[T: np.generic]:
    """A growing column of numbers."""

    def __init__(self, kind: DTypeLike, width: tuple[int, ...] = ()) -> None:
        self._held: NDArray[T] = np.zeros((16, *width), kind)
        self.count = 0

    def extend(self, values: NDArray[T]) -> None:
        end = self.count + len(values)
        if end > len(self._held):
            self._held.resize((int(end * ROOM) + 16, *self._held.shape[1:]), refcheck=False)
        self._held[self.count : end] = values
        self.count = end

    def __getitem__(self, at: Ints) -> NDArray[T]:
        return self._held[at]


class Lists[T: np.generic]:
    """Lists of numbers, one behind another."""

    def __init__(self, kind: DTypeLike) -> None:
        self._values: Column[T] = Column(kind)
        self._ends: Column[np.int64] = Column(np.int64)
        self._ends.extend(np.zeros(1, np.int64))

    def __len__(self) -> int:
        return self._ends.count - 1

    def append(self, values: NDArray[T]) -> None:
        self._values.extend(values)
        self._ends.extend(np.array([self._values.count]))

    def of(self, lists: Ints) -> tuple[Ints, NDArray[T]]:
        """The values of some lists (n,): (which of the n each belongs to, value), both (m,)."""
        owner, at = spans(self._ends[lists], self._ends[lists + 1])
        return owner, self._values[at]


def spans(first: Ints, end: Ints) -> tuple[Ints, Ints]:
    """All numbers in each of n ranges [first, end): (which range, number), both (m,)."""
    lengths = end - first
    owner = np.repeat(np.arange(len(first)), lengths)
    before = np.cumsum(lengths) - lengths
    return owner, np.arange(len(owner)) + (first - before)[owner]


class Rows:
    """Rows (words,) uint64, each kept as the words in which it differs from `base`. Equal rows share one."""

    def __init__(self, base: Words) -> None:
        self._base = base
        self._places: Lists[np.int32] = Lists(np.int32)
        self._words: Lists[np.uint64] = Lists(np.uint64)
        self._index: dict[int, list[int]] = {}  # hash of a row ▸ the rows that have it

    def add(self, row: Words) -> int:
        """The number of a row, which is added if it is new."""
        places = np.flatnonzero(row != self._base).astype(np.int32)
        words = row[places]
        alike = self._index.setdefault(hash((places.tobytes(), words.tobytes())), [])
        for number in alike:
            if self._is(number, places, words):
                return number
        number = len(self._places)
        alike.append(number)
        self._places.append(places)
        self._words.append(words)
        return number

    def _is(self, number: int, places: NDArray[np.int32], words: Words) -> bool:
        held, own = (column.of(np.array([number]))[1] for column in (self._places, self._words))
        return np.array_equal(held, places) and np.array_equal(own, words)

    def dense(self, rows: Ints) -> tuple[Words, Ints]:
        """(the distinct rows among these (n,), which of them each is): (k, words), (n,)."""
        kinds, inverse = distinct_of(rows, len(self._places))
        owner, places = self._places.of(kinds)
        matrix = np.tile(self._base, (len(kinds), 1))
        matrix[owner, places] = self._words.of(kinds)[1]
        return matrix, inverse


class Memo:
    """A function of numbers with answers >= 0, each worked out once: (n,) int64 ▸ (n,) int64."""

    def __init__(self, answer: Callable[[int], int]) -> None:
        self._answer = answer
        self._known = np.full(0, -1, np.int64)

    def __call__(self, numbers: Ints) -> Ints:
        end = int(numbers.max(initial=-1)) + 1
        if end > len(self._known):
            more = np.full(int(end * ROOM) + 16 - len(self._known), -1, np.int64)
            self._known = np.concatenate([self._known, more])
        found = self._known[numbers]
        unknown = np.unique(numbers[found < 0])
        if not len(unknown):
            return found
        for number in unknown.tolist():
            self._known[number] = self._answer(number)
        return self._known[numbers]

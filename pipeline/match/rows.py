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

    def __getitem__(self, at: Ints | NDArray[np.int32] | tuple[Ints, int]) -> NDArray[T]:
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

    def count(self, lists: Ints) -> int:
        """How many values some lists (n,) have together."""
        return int((self._ends[lists + 1] - self._ends[lists]).sum())

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
    """Rows (words,) uint64, each kept as the words in which it differs from a base. Equal rows share one."""

    def __init__(self, words: int) -> None:
        self._bases: Column[np.uint64] = Column(np.uint64, (words,))
        self._bases.extend(np.zeros((1, words), np.uint64))
        self._base: Column[np.int32] = Column(np.int32)
        self._places: Lists[np.int32] = Lists(np.int32)
        self._words: Lists[np.uint64] = Lists(np.uint64)
        self._alike: dict[int, list[int]] = {}  # hash of a row ▸ the rows that have it

    def base(self, row: Words) -> int:
        """The number of a new base; 0 is empty."""
        self._bases.extend(row[np.newaxis])
        return self._bases.count - 1

    def add(self, row: Words, base: int = 0) -> int:
        """The number of a row, which is added if it is new, as what differs from that base."""
        alike = self._alike.setdefault(hash(row.tobytes()), [])
        for number in alike:
            if np.array_equal(self.dense(np.array([number]))[0][0], row):
                return number
        number = self._base.count
        alike.append(number)
        places = np.flatnonzero(row != self._bases[np.array(base)])
        self._base.extend(np.array([base], np.int32))
        self._places.append(places.astype(np.int32))
        self._words.append(row[places])
        return number

    def count_differing(self, rows: Ints) -> int:
        """In how many words these rows (n,) differ from their bases."""
        return self._places.count(rows)

    def differing(self, rows: Ints) -> tuple[Ints, Ints, Words]:
        """(which of the rows (n,), which word of it, the word), all (m,), where they differ from their
        bases: all that is not 0 where the base is empty."""
        owner, places = self._places.of(rows)
        return owner, places.astype(np.int64), self._words.of(rows)[1]

    def dense(self, rows: Ints) -> tuple[Words, Ints]:
        """(the distinct rows among these (n,), which of them each is): (k, words), (n,)."""
        kinds, inverse = distinct_of(rows, self._base.count)
        matrix = self._bases[self._base[kinds]]
        owner, places, words = self.differing(kinds)
        matrix[owner, places] = words
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


class Interned[T]:
    """Values and their ids, in the order in which they were first seen."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self._ids: dict[T, int] = {}

    def id(self, value: T) -> int:
        known = self._ids.setdefault(value, len(self.values))
        if known == len(self.values):
            self.values.append(value)
        return known

"""Rows of bits in 64-bit words, and packing several columns of integers into one key."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

type Words = NDArray[np.uint64]
type Ints = NDArray[np.int64]
type Flags = NDArray[np.bool_]

WORD = 64


def pack_bits(positions: Iterable[int] | Ints, words: int) -> Words:
    """A row of `words` words (words,) uint64 with the bits at `positions` set."""
    flags = np.zeros(words * WORD, np.bool_)
    flags[np.fromiter(positions, np.int64)] = True
    return np.packbits(flags, bitorder="little").view(np.uint64)


def first_bit(rows: Words) -> Ints:
    """The lowest set bit of each row: (n, words) uint64 ▸ (n,) int64, -1 where a row is empty."""
    if rows.shape[1] == 0:
        return np.full(len(rows), -1, np.int64)
    column = (rows != 0).argmax(axis=1)
    word = rows[np.arange(len(rows)), column]
    bit = column * WORD + np.bitwise_count((word & (~word + np.uint64(1))) - np.uint64(1))
    return np.where(word != 0, bit, -1).astype(np.int64)


def meets(rows: Words, bits: Words) -> Flags:
    """The rows that share a bit with `bits`: (n, words), (words,) ▸ (n,)."""
    words = np.flatnonzero(bits)
    flags = np.zeros(len(rows), np.bool_)
    for word in words.tolist():
        flags |= (rows[:, word] & bits[word]) != 0
    return flags


def last_bit(row: Words) -> int:
    """The highest set bit of one row (words,), -1 where it is empty."""
    return int.from_bytes(row.tobytes(), "little").bit_length() - 1


def distinct(columns: Sequence[Ints]) -> tuple[Ints, Ints]:
    """The distinct rows of equally long columns of integers >= -1: (row of the first of each kind,
    kind of each row). Columns are folded into one uint64 key, since np.unique of structured keys
    is 30 times slower."""
    key = np.zeros(len(columns[0]), np.uint64)
    room = 1
    for column in columns:
        span = int(column.max(initial=-1)) + 2
        if room * span >= 1 << 64:
            ranks = np.unique(key, return_inverse=True)[1]
            key, room = ranks.astype(np.uint64), int(ranks.max(initial=0)) + 1
        key = key * np.uint64(span) + (column + 1).astype(np.uint64)
        room *= span
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.astype(np.int64)


class Rows:
    """A growing matrix of rows (n, words) uint64 in which equal rows share one."""

    def __init__(self, words: int) -> None:
        self._rows = np.zeros((16, words), np.uint64)
        self._index: dict[bytes, int] = {}

    def add(self, row: Words) -> int:
        """The index of a row, which is added if it is new."""
        known = self._index.setdefault(row.tobytes(), len(self._index))
        if known == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        self._rows[known] = row
        return known

    def __getitem__(self, index: Ints) -> Words:
        return self._rows[index]

    def meets(self, index: Ints, bits: Words) -> Flags:
        """Which of the rows at `index` (n,) share a bit with `bits` (words,)."""
        return meets(self._rows, bits)[index]

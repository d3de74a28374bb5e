"""Bits in 64-bit words, and telling distinct values of integers apart."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

type Words = NDArray[np.uint64]
type Ints = NDArray[np.int64]
type Flags = NDArray[np.bool_]

WORD = 64
SPARSE = 32  # values this many times more than keys are sorted rather than counted


def pack_bits(positions: Iterable[int] | Ints, words: int) -> Words:
    """A row of `words` words (words,) uint64 with the bits at `positions` set."""
    flags = np.zeros(words * WORD, np.bool_)
    flags[positions if isinstance(positions, np.ndarray) else np.fromiter(positions, np.int64)] = True
    return np.packbits(flags, bitorder="little").view(np.uint64)


def lowest_bit(words: Words) -> Ints:
    """The place of the lowest set bit of each word (n,), none of them 0."""
    return np.bitwise_count((words & -words) - np.uint64(1)).astype(np.int64)


def bits_between(first: Ints, end: Ints, word: Ints) -> Words:
    """Of each word (n,) of a row those bits that stand in [first, end) of the row."""
    low, high = (np.clip(place - word * WORD, 0, WORD) for place in (first, end))
    return _below(high) & ~_below(low)


def _below(bits: Ints) -> Words:
    """Words with so many of the lowest bits set, 0 to 64."""
    shifted = np.uint64(1) << np.minimum(bits, WORD - 1).astype(np.uint64)
    return np.where(bits == WORD, ~np.uint64(0), shifted - np.uint64(1))


def distinct_of(keys: Ints, bound: int) -> tuple[Ints, Ints]:
    """The distinct values of keys in [0, bound), ascending, and where each key is among them."""
    if bound > SPARSE * len(keys):
        return np.unique(keys, return_inverse=True)
    place = np.zeros(bound, np.int64)  # counting is faster than sorting
    place[keys] = 1
    values = np.flatnonzero(place)
    place[values] = np.arange(len(values))
    return values, place[keys]


def distinct(columns: Sequence[Ints]) -> tuple[Ints, Ints]:
    """The distinct rows of equally long columns of integers: (a row of each kind, kind of each row).
    Columns are folded into one key, since np.unique of structured keys is 30 times slower."""
    count = len(columns[0])
    if count == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    key, room = np.zeros(count, np.int64), 1
    for column in columns:
        least = int(column.min())
        span = int(column.max()) - least + 1
        if span == 1:
            continue
        if room * span >= 1 << 63:
            kinds, key = distinct_of(key, room)
            room = len(kinds)
        key = key * span + (column - least)
        room *= span
    kinds, inverse = distinct_of(key, room)
    row = np.zeros(len(kinds), np.int64)
    row[inverse] = np.arange(count)
    return row, inverse

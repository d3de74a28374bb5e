"""Connections dealt out to destinations, without a table of all pairs."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

type Counts = NDArray[np.int64]


class Dealt:
    """Each source's `per_source` (sources,) dealt out evenly to `dests` destinations, the odd ones in turn.

    As a load balancer does it; what it costs grows with sources plus destinations.
    """

    def __init__(self, per_source: Counts, dests: int, turn: int) -> None:
        self.per_source = per_source
        self._dests = dests
        self._turn = turn

    @cached_property
    def per_dest(self) -> Counts:
        """Connections of each destination, (destinations,)."""
        if self._dests == 1:
            return self.per_source.sum(keepdims=True)
        length = 2 * self._dests + 1  # the odd ones of a source are a run that may pass the end
        begins = np.bincount(self._first, minlength=length)
        ends = np.bincount(self._first + self._odd, minlength=length)
        runs = np.cumsum(begins - ends)
        return np.asarray(self._each.sum() + runs[: self._dests] + runs[self._dests : -1])

    def of_source(self, source: int) -> Counts:
        """One source's connections with each destination, (destinations,)."""
        place = (np.arange(self._dests) - self._first[source]) % self._dests
        return np.asarray(self._each[source] + (place < self._odd[source]))

    def of_dest(self, dest: int) -> Counts:
        """One destination's connections with each source, (sources,)."""
        place = (dest - self._first) % self._dests
        return np.asarray(self._each + (place < self._odd))

    @cached_property
    def _each(self) -> Counts:
        return self.per_source // self._dests

    @cached_property
    def _odd(self) -> Counts:
        return self.per_source % self._dests

    @cached_property
    def _first(self) -> Counts:
        """The destination that a source's odd ones begin with."""
        return np.asarray((np.arange(len(self.per_source)) + self._turn) % self._dests)

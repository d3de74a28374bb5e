"""Records that one sender writes alike: the long part that recurs is cut out by its bytes, and read once."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec

from pipeline.record import VARYING, Record, read_rests

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Stencil(NamedTuple):
    """The keys of the numbers before and behind the part that recurs: `,"end_time":` and `,"bytes_in":` as
    Calico writes its records."""

    before: bytes
    behind: bytes

    @classmethod
    def of(cls, line: bytes) -> "Stencil | None":
        """How to cut records that are written like this one: between the most keys that do not vary."""
        try:
            keys = list(_OBJECT.decode(line))
        except (ValueError, RecursionError):
            return None
        varying = [at for at, key in enumerate(keys) if key in VARYING]
        gaps = pairwise([*varying, len(keys)])
        first, last = max(gaps, key=lambda gap: gap[1] - gap[0], default=(0, 0))
        before = _key(line, keys[first]) if first else b""
        behind = _key(line, keys[last]) if last < len(keys) else b"}"
        return cls(before, behind) if before and behind else None

    def cut(self, lines: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
        """The parts that recur, and what is left of each line."""
        runs, rests = [], []
        before, behind = self
        for line in lines:
            start, end = line.find(b",", line.find(before) + len(before)), line.rfind(behind)
            runs.append(line[start:end])
            rests.append(line[:start] + line[end:])
        return runs, rests


def cut_out(lines: Sequence[bytes]) -> tuple[list[bytes], list[Record]] | None:
    """The parts that recur in lines that are written alike, and their records without those parts; None
    where the lines may not be alike.

    A line is one JSON object exactly if its rest is one and its part in braces is another: the rest has
    no object within, so it was cut between two of its members.
    """
    stencil = Stencil.of(lines[0])
    if stencil is None:
        return None
    runs, rests = stencil.cut(lines)
    records = read_rests(rests)
    return None if records is None else (runs, records)


def _key(line: bytes, key: str) -> bytes:
    """A key as it is written in `line`, from the comma before it to the colon."""
    found = re.search(rb',\s*"%b"\s*:' % re.escape(key.encode()), line)
    return found.group() if found else b""

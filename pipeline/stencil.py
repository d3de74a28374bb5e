"""Records that one sender writes alike: the long part that recurs is cut out by its bytes, and read once."""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Raw, UnsetType

from pipeline.record import CLEAN_RECORD, Record

COUNTERS = (
    *("bytes_in", "bytes_out", "packets_in", "packets_out"),
    *("num_flows", "num_flows_started", "num_flows_completed"),
)
# What differs from record to record of the same two ends; everything else recurs.
VARYING = frozenset(("start_time", "end_time", *COUNTERS, "host"))
_READ = frozenset(Record.__struct_encode_fields__)


def _part(names: frozenset[str]) -> msgspec.json.Decoder[Record]:
    """A decoder of clean records that may have these of all fields that are read, and no other."""
    others = [
        (each.name, UnsetType, msgspec.field(default=UNSET, name=each.encode_name))
        for each in msgspec.structs.fields(Record)
        if each.name not in names
    ]
    return msgspec.json.Decoder(msgspec.defstruct("Part", others, bases=(CLEAN_RECORD,), gc=False))


_RUN = _part(frozenset(Record.__struct_fields__) - VARYING)
_REST = _part(VARYING)
_OBJECT = msgspec.json.Decoder(dict[str, Raw])


class Stencil(NamedTuple):
    """The keys of what varies before and behind the part that recurs: `,"end_time":` and `,"bytes_in":` as
    Calico writes its records. `last`: the last key that varies, where more that is read stands behind it."""

    before: bytes
    behind: bytes
    last: bytes = b""

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
        if not (before and behind):
            return None
        is_more = last < len(keys) and not _READ.isdisjoint(keys[varying[-1] + 1 :])
        return cls(before, behind, _key(line, keys[varying[-1]]) if is_more else b"")

    def cut(self, lines: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
        """The parts that recur, each with the comma before it, and what is left of each line. What stands
        behind `last` follows on a line of its own.

        ValueError where a line does not have the keys.
        """
        if self.last:
            return self._cut_twice(lines)
        runs, rests = [], []
        before, behind, skipped = self.before, self.behind, len(self.before)
        for line in lines:
            start, end = line.find(b",", line.index(before) + skipped), line.rindex(behind)
            runs.append(line[start:end])
            rests.append(line[:start] + line[end:])
        return runs, rests

    def _cut_twice(self, lines: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
        runs, rests = [], []
        before, behind, last = self
        for line in lines:
            start, end = line.find(b",", line.index(before) + len(before)), line.rindex(behind)
            more = line.index(b",", line.rindex(last) + len(last))
            if not line.endswith(b"}"):
                raise ValueError(line)
            runs.append(line[start:end] + b"\n" + line[more:-1])
            rests.append(line[:start] + line[end:more] + b"}")
        return runs, rests


def cut_out(lines: Sequence[bytes]) -> tuple[list[bytes], list[Record]] | None:
    """The parts that recur in lines that are written alike, and their records without those parts; None
    where the lines may not be alike.

    Wherever a line was cut, it is the JSON object of both its parts if its rest is an object with none
    within, which ends with the key behind the cut, and `read_run` finds that its run is members of one:
    neither can then begin or end in a text or deeper down.
    """
    stencil = Stencil.of(lines[0])
    if stencil is None:
        return None
    try:
        runs, rests = stencil.cut(lines)
        records = _read_rests(rests)
    except (ValueError, RecursionError):
        return None
    return None if records is None else (runs, records)


def read_run(run: bytes) -> Record:
    """The record of a part that recurs. ValueError or RecursionError where it needs a closer look, or
    has anything that varies."""
    run.decode()
    for part in run.split(b"\n"):
        _OBJECT.decode(b"{%b}" % part[1:])  # each by itself
    return _RUN.decode(b"{%b}" % run[1:])


def _read_rests(rests: list[bytes]) -> list[Record] | None:
    block = b"\n".join(rests)
    block.decode()
    records = _REST.decode_lines(block)
    return records if len(records) == len(rests) == block.count(b"{") else None


def _key(line: bytes, key: str) -> bytes:
    """A key as it is written in `line`, from the comma before it to the colon."""
    found = re.search(rb',\s*"%b"\s*:' % re.escape(key.encode()), line)
    return found.group() if found else b""

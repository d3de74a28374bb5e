"""The flow log of a node: FILE and what rotation made of it, read by lines from where it was left."""

import gzip
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, cast

import zstandard

from agents.places import TAIL, Place, Places, digest

_ROTATED = re.compile(r"[.-]\d[\w.:-]*")  # what follows the name: .1, .2.gz, -20260131


@dataclass(frozen=True, slots=True)
class Parcel:
    """Whole lines of one file, to be one message, and the place behind them."""

    value: bytes
    place: Place

    @property
    def lines(self) -> int:
        return self.value.count(b"\n") + (not self.value.endswith(b"\n"))


class LogFile:
    """One open file; it is read to its end even after it was renamed or deleted.

    Offsets are bytes of the content; of a compressed file, of what was compressed.
    """

    def __init__(self, path: Path, places: Places) -> None:
        """Opens the file where it was left; raises OSError where that cannot be done."""
        self._path = path
        self._stream = _open(path)
        self.inode = path.stat().st_ino
        self.fingerprint = digest(self._stream.readline(TAIL))
        self._offset = places.resume(self.inode, self.fingerprint, self._before)
        self._tail = self._before(self._offset)
        self._rest = b""  # read, but not given out

    @classmethod
    def begun(cls, path: Path, places: Places) -> Self | None:
        """The file, once it has a whole first line to tell it by."""
        with path.open("rb") as stream:
            first = stream.readline(TAIL)
        return cls(path, places) if first.endswith(b"\n") or len(first) == TAIL else None

    def close(self) -> None:
        self._stream.close()

    @property
    def behind(self) -> int:
        """Bytes that have been written to the file and were not given out."""
        return max(0, self.size - self._offset)

    @property
    def size(self) -> int:
        """Of the file itself, in bytes."""
        return os.fstat(self._stream.fileno()).st_size

    @property
    def quiet_seconds(self) -> float:
        """How long nothing has been written to it."""
        return time.time() - os.fstat(self._stream.fileno()).st_mtime

    @property
    def was_cut(self) -> bool:
        """Whether the file has been emptied, or written anew, under us."""
        here = self._stream.tell()
        same = self._before(self._offset) == self._tail
        self._stream.seek(here)
        return not same

    def parcels(self, node: str, most: int, *, flush: bool, ended: bool = False) -> Iterator[Parcel]:
        """What was not given out yet in parcels of `most` bytes, less only with `flush`.

        An unfinished last line waits, unless the file has `ended`. A line longer than `most` is given
        out in pieces, which the worker refuses and says so.
        """
        while True:
            self._rest += self._stream.read(most - len(self._rest))
            full = len(self._rest) == most
            cut = self._rest.rfind(b"\n") + 1
            if (full and not cut) or (ended and not full):
                cut = len(self._rest)
            if not cut or not (full or flush):
                return
            yield self._parcel(node, cut)

    def _parcel(self, node: str, size: int) -> Parcel:
        value, self._rest = self._rest[:size], self._rest[size:]
        self._offset += size
        self._tail = (self._tail + value)[-TAIL:]
        place = Place(
            node=node,
            inode=self.inode,
            fingerprint=self.fingerprint,
            offset=self._offset,
            tail=digest(self._tail),
            path=str(self._path),
        )
        return Parcel(value, place)

    def _before(self, offset: int) -> bytes:
        """What stands before an offset; the stream is at the offset afterwards."""
        start = max(0, offset - TAIL)
        self._stream.seek(start)
        return self._stream.read(offset - start)


def rotated(file: Path) -> list[Path]:
    """What rotation made of a file before, oldest first: names that go on with a number or a date."""
    found = [
        path
        for path in file.parent.iterdir()
        if path.name.startswith(file.name) and _ROTATED.fullmatch(path.name.removeprefix(file.name))
    ]
    return sorted(found, key=lambda path: path.stat().st_mtime)


def _open(path: Path) -> BinaryIO:
    stream = path.open("rb")
    magic = stream.read(4)
    stream.seek(0)
    if magic[:2] == b"\x1f\x8b":
        return _unpacked(cast("BinaryIO", gzip.GzipFile(fileobj=stream)))
    if magic == zstandard.FRAME_HEADER:
        return _unpacked(
            cast("BinaryIO", zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True))
        )
    return stream


def _unpacked(stream: BinaryIO) -> BinaryIO:
    """On disk and not in memory, since places in it have to be found again."""
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the LogFile
    with stream:
        shutil.copyfileobj(stream, unpacked)
    unpacked.seek(0)
    return cast("BinaryIO", unpacked)

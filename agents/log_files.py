"""The flow log of a node: FILE and what rotation made of it, read by lines from where it was left."""

import gzip
import os
import re
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from agents.places import TAIL, Place, Places, digest

_ROTATED = re.compile(r"[.-]\d[\w.:-]*")  # what follows the name: .1, .2.gz, -20260131

type _Packing = Callable[[BinaryIO], BinaryIO]
# What is said of a packed file that has no end yet.
_TORN = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)

type Stamp = tuple[int, int]  # size and time of the last change: a file that has neither changed is as it was


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

    Offsets are bytes of the content; of a compressed file, of what was compressed. Nothing is buffered:
    what is read is what stands in the file now.
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError where it cannot be read. What it is all comes from the one open file: its path may
        be another file's a moment later."""
        self._path = path
        self._file = path.open("rb", buffering=0)
        self._written = os.fstat(self._file.fileno())
        self.inode = self._written.st_ino
        self._packing = _packing(self._file)
        first = self._first_line()
        self.has_begun = first.endswith(b"\n") or len(first) == TAIL  # else there is nothing to tell it by
        self.fingerprint = digest(first)
        self.is_whole = True  # or packed, and torn off somewhere
        self._offset = 0
        self._tail = b""  # what stands before the offset
        self._rest = b""  # read, but not given out

    def resume(self, places: Places) -> None:
        """Go on where the file was left."""
        if self._packing:
            self._unpack(self._packing)
        self._offset = places.resume(self.inode, self.fingerprint, self._before)
        self._tail = self._before(self._offset)

    def close(self) -> None:
        self._file.close()

    @property
    def behind(self) -> int:
        """Bytes that have been written to the file and were not given out."""
        return max(0, os.fstat(self._file.fileno()).st_size - self._offset)

    @property
    def stamp(self) -> Stamp:
        return stamp(self._status())

    @property
    def quiet_seconds(self) -> float:
        """How long nothing has been written to it."""
        return time.time() - self._status().st_mtime

    @property
    def was_cut(self) -> bool:
        """Whether the file has been emptied, or written anew, under us."""
        known = (self._tail + self._rest)[-TAIL:]
        if not known:
            return not self._packing and digest(self._first_line()) != self.fingerprint
        return self._before(self._offset + len(self._rest)) != known

    def parcels(self, node: str, most: int, *, flush: bool, ended: bool = False) -> Iterator[Parcel]:
        """What was not given out yet in parcels of `most` bytes, less only with `flush`.

        An unfinished last line waits, unless the file has `ended`. A line longer than `most` is given
        out in pieces, which the worker refuses and says so.
        """
        while True:
            self._rest += self._read(most - len(self._rest))
            full = len(self._rest) == most
            cut = self._rest.rfind(b"\n") + 1
            if (full and not cut) or (ended and not full and self.is_whole):
                cut = len(self._rest)
            if not cut or not (full or flush):
                return
            yield self._parcel(node, cut)

    def _read(self, size: int) -> bytes:
        """What comes next; nothing where the file was cut."""
        found = os.pread(self._file.fileno(), size, self._offset + len(self._rest))
        # Asked afterwards: what stands behind what we know is the rest of it, and not something new.
        return b"" if self.was_cut else found

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
        """What stands before an offset."""
        start = max(0, offset - TAIL)
        return os.pread(self._file.fileno(), offset - start, start)

    def _first_line(self) -> bytes:
        self._file.seek(0)
        if self._packing is None:
            return _first_line(os.pread(self._file.fileno(), TAIL, 0))
        try:
            return _first_line(self._packing(self._file).read(TAIL))
        except _TORN:
            return b""

    def _status(self) -> os.stat_result:
        return self._written if self._packing else os.fstat(self._file.fileno())

    def _unpack(self, packing: _Packing) -> None:
        """On disk and not in memory, since places in it have to be found again."""
        content = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - it lives as long as the LogFile
        self._file.seek(0)
        with self._file as packed:
            try:
                shutil.copyfileobj(packing(packed), content)
            except _TORN:  # it is still being written
                self.is_whole = False
        self._file = content


def rotated(file: Path) -> list[Path]:
    """What rotation made of a file before, oldest first: names that go on with a number or a date."""
    found = [
        path
        for path in file.parent.iterdir()
        if path.name.startswith(file.name) and _ROTATED.fullmatch(path.name.removeprefix(file.name))
    ]
    return sorted(found, key=_changed)


def stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # rotation is under way
        return 0.0


def _first_line(content: bytes) -> bytes:
    return content[: content.find(b"\n") + 1] or content


def _packing(file: BinaryIO) -> _Packing | None:
    magic = file.read(4)
    if magic[:2] == b"\x1f\x8b":
        return lambda packed: cast("BinaryIO", gzip.GzipFile(fileobj=packed))
    if magic == zstandard.FRAME_HEADER:
        return lambda packed: cast(
            "BinaryIO",
            zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True, closefd=False),
        )
    return None

"""Follows a flow log through rotation: renamed, copied and emptied, or compressed."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from agents.log_files import LogFile, Parcel, Stamp, rotated, stamp
from agents.places import Places
from pipeline import metrics

_QUIET = 30.0  # seconds after which nobody writes to a rotated file any more


class FollowFile:
    """Gives out every line of FILE and of what rotation made of it, oldest first."""

    def __init__(self, file: Path, places: Places, node: str, most: int, keep: float) -> None:
        """`most` bytes of a parcel; rotated files unchanged for `keep` seconds are left alone."""
        self._file = file
        self._places = places.copy()  # what was given out counts here, not what is committed
        self._node = node
        self._most = most
        self._keep = keep
        self._open: dict[int, LogFile] = {}
        self._settled: dict[int, Stamp] = {}  # by inode: rotated files that were read to their end

    def parcels(self, *, flush: bool) -> Iterator[Parcel]:
        """What came since the last look; what fills no whole parcel only with `flush`."""
        self.open_new()
        for inode, log in list(self._open.items()):
            cut, as_it_was = log.was_cut, log.stamp
            quiet = not cut and self._is_rotated(inode) and log.quiet_seconds > _QUIET
            for parcel in log.parcels(self._node, self._most, flush=flush or cut or quiet, ended=quiet):
                self._places.remember(parcel.place)
                yield parcel
            done = quiet and not (log.behind and log.is_whole)
            if done:
                self._settled[inode] = as_it_was
            if cut or done:
                self._close(inode)
        metrics.SHIPPER_BEHIND.set(sum(log.behind for log in self._open.values()))

    def open_new(self) -> None:
        """Get hold of files that are not open yet: from then on they may be renamed or deleted."""
        for path in (*rotated(self._file), self._file):
            try:
                self._consider(path)
            except FileNotFoundError:  # rotation is under way
                continue

    def _consider(self, path: Path) -> None:
        status = path.stat()
        if status.st_ino in self._open or (path != self._file and self._is_done(status)):
            return
        log = LogFile(path)
        if self._is_readable(log, ended=path != self._file and log.quiet_seconds > _QUIET):
            log.resume(self._places)
            self._open[log.inode] = log
        else:
            log.close()

    def _is_readable(self, log: LogFile, *, ended: bool) -> bool:
        """Not before it can be told from others, nor while what it is a copy of is being read."""
        others = {other.fingerprint for other in self._open.values()}
        return (log.has_begun or ended) and log.inode not in self._open and log.fingerprint not in others

    def _is_done(self, status: os.stat_result) -> bool:
        old = status.st_mtime < time.time() - self._keep
        return old or self._settled.get(status.st_ino) == stamp(status)

    def _is_rotated(self, inode: int) -> bool:
        try:
            return self._file.stat().st_ino != inode
        except FileNotFoundError:
            return True

    def _close(self, inode: int) -> None:
        self._open.pop(inode).close()

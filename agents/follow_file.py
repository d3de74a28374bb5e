"""Follows a flow log through rotation: renamed, copied and emptied, or compressed."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from agents.log_files import LogFile, Parcel, rotated
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
        self._settled: dict[int, int] = {}  # inode ▸ size of rotated files that were read to their end
        self._copies: dict[int, str] = {}  # inode ▸ fingerprint of files whose content is being read already

    def parcels(self, *, flush: bool) -> Iterator[Parcel]:
        """What came since the last look; what fills no whole parcel only with `flush`."""
        self.open_new()
        for inode, log in list(self._open.items()):
            if log.was_cut:
                self._close(inode)
                continue
            quiet = self._is_rotated(inode) and log.quiet_seconds > _QUIET
            for parcel in log.parcels(self._node, self._most, flush=flush or quiet, ended=quiet):
                self._places.remember(parcel.place)
                yield parcel
            if quiet and not log.behind:
                self._settled[inode] = log.size
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
        inode, being_read = status.st_ino, {log.fingerprint for log in self._open.values()}
        if inode in self._open or self._copies.get(inode) in being_read:
            return
        if path != self._file and self._is_done(status):
            return
        log = LogFile.begun(path, self._places)
        if log and log.fingerprint in being_read:  # a copy: its turn comes when the original is closed
            self._copies[inode] = log.fingerprint
            log.close()
        elif log:
            self._open[inode] = log

    def _is_done(self, status: os.stat_result) -> bool:
        old = status.st_mtime < time.time() - self._keep
        return old or self._settled.get(status.st_ino) == status.st_size

    def _is_rotated(self, inode: int) -> bool:
        try:
            return self._file.stat().st_ino != inode
        except FileNotFoundError:
            return True

    def _close(self, inode: int) -> None:
        self._open.pop(inode).close()

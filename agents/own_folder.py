"""A folder that no other process uses, and that a later one finds again."""

import fcntl
import shutil
from io import TextIOWrapper
from itertools import count
from pathlib import Path


class OwnFolder:
    """The first of the folders 0, 1, 2 … under `base` that is nobody's: one that died leaves it to the next.

    Two workers on one machine never share one: RocksDB would let only one of them in.
    """

    def __init__(self, base: Path) -> None:
        self._lock, self._folder = _take_one(base)
        self._tries = count(1)
        self.path = self._folder / "0"
        for left in self._folder.iterdir():
            if left != self.path:
                shutil.rmtree(left, ignore_errors=True)

    def begin_anew(self) -> None:
        """Leave what is in there: `path` is another one, and empty."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path = self._folder / str(next(self._tries))

    def close(self) -> None:
        self._lock.close()


def _take_one(base: Path) -> tuple[TextIOWrapper, Path]:
    for number in count():
        folder = base / str(number)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (base / f"{number}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return lock, folder
    raise AssertionError

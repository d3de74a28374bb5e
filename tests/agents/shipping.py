"""A shipper that follows a file, what is written to that file, and what of it arrives."""

import gzip
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.agents.installation import FLOWTIER, ROOT, Installation

QUICK = {"FLOWTIER_SHIPPER_BATCH_SECONDS": "0.1", "FLOWTIER_SHIPPER_PORT": "0"}


def numbered(first: int, count: int) -> bytes:
    return b"".join(b'{"line": %d}\n' % number for number in range(first, first + count))


def shipped(installation: Installation) -> list[bytes]:
    """The lines that a reader of committed records sees, in order."""
    values = [record.value() for record in installation.records(installation.topics.flows.name)]
    return sorted(b"".join(value.rstrip(b"\n") + b"\n" for value in values).splitlines(keepends=True))


def is_shipped(installation: Installation, first: int, count: int) -> Callable[[], bool]:
    return lambda: shipped(installation) == sorted(numbered(first, count).splitlines(keepends=True))


@dataclass
class Following:
    """Starts shippers that follow flows.log, and ends them."""

    installation: Installation
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.installation.folder / "flows.log"

    def holds(self) -> str:
        """The files that the last shipper has open."""
        folder = Path(f"/proc/{self.started[-1].pid}/fd")
        return " ".join(str(each.readlink()) for each in folder.iterdir() if each.exists())

    def log(self, number: int) -> Path:
        return self.installation.folder / f"shipper{number}.log"

    def __call__(self) -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FLOWTIER_")}
        with self.log(len(self.started)).open("wb") as output:
            process = subprocess.Popen(
                [*FLOWTIER, "ship", "--follow", str(self.file)],
                cwd=ROOT,
                env=environment | self.installation.environment | QUICK | self.options,
                stderr=output,
            )
        self.started.append(process)
        return process

    def close(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()


def renamed(file: Path, to: Path) -> None:
    file.rename(to)


def copied_and_emptied(file: Path, to: Path) -> None:
    shutil.copy(file, to)
    os.truncate(file, 0)


def compressed(file: Path, to: Path) -> None:
    """Renamed first, and packed bit by bit, as gzip does it."""
    file.rename(to)
    with to.open("rb") as plain, gzip.open(f"{to}.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed, 1_000)
    to.unlink()


class Writing(threading.Thread):
    """Appends numbered lines to a file without a pause, and rotates it now and then, each time otherwise.

    What copying and emptying loses by itself does not count: nothing is written meanwhile.
    """

    def __init__(self, file: Path, *, every: int = 4_000) -> None:
        super().__init__()
        self.written = self.rotated = 0
        self._file, self._every = file, every
        self._end = threading.Event()
        self._random = random.Random(4)

    def run(self) -> None:
        while not self._end.wait(0.01):
            count = self._random.randrange(1, 40)
            with self._file.open("ab") as log:
                log.write(numbered(self.written, count))
            self.written += count
            if self.written > self._every * (self.rotated + 1):
                self.rotated += 1
                rotate = (renamed, copied_and_emptied, compressed)[self.rotated % 3]
                rotate(self._file, self._file.with_name(f"flows.log.{self.rotated}"))

    def finish(self) -> int:
        """The number of lines written."""
        self._end.set()
        self.join()
        return self.written

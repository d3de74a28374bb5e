"""Flowtier's own commands as child processes, as a person would type them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import StackError

FLOWTIER = Path(sys.executable).with_name("flowtier")
_STOP_SECONDS = 30
_TAIL = 15  # lines


def flowtier(*arguments: str) -> None:
    """Run a command to its end, its output on ours; StackError where it fails."""
    # A broker that has just started lets a client try again: nothing that its user could do about.
    quiet = os.environ | {"FLOWTIER_LOGS_LEVEL": "error"}
    done = subprocess.run([FLOWTIER, *arguments], check=False, env=quiet)
    if done.returncode:
        raise StackError(
            f"flowtier {arguments[0]} ended with code {done.returncode}: its reason stands above."
        )


class Worker:
    """A running `flowtier worker` and where its log is."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log

    def check(self) -> None:
        """StackError with the end of its log where it has ended by itself."""
        if self._process.poll() is not None:
            raise StackError(f"The worker ended with code {self._process.returncode}. {self.tail()}")

    def tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()[-_TAIL:]
        return f"The end of its log, {self._log}:\n" + "\n".join(lines)


@contextmanager
def worker(log: Path) -> Iterator[Worker]:
    """A worker that runs as long as the context, and is then ended in order."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [FLOWTIER, "worker"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C is ours to handle, in order
        )
    try:
        yield Worker(process, log)
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

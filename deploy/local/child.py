"""A server as a child process: started, waited for, stopped, killed, started again on the same data."""

import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from deploy.local.errors import StackError
from deploy.local.place import Account, account
from deploy.local.probes import PROBES
from deploy.local.progress import step

START_SECONDS = 300  # a busy machine with two cores takes its time
STOP_SECONDS = 40
POLL_SECONDS = 0.1
PROCESS = "process.json"

_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass
class Child:
    """A server at `address`, with its data and log in `folder`.

    `pid` and `born` name the process, None before the first start. They stand in a file too, from `spawn` to
    `stop`, so that another process can find the server. `user` is whom it runs as.
    """

    name: str
    address: str
    command: list[str]
    environment: dict[str, str]
    folder: Path
    pid: int | None = None
    born: str | None = None
    user: Account = field(default_factory=account)

    @classmethod
    def find(cls, folder: Path) -> Self | None:
        """The server that was started in that folder and not stopped since, dead or alive."""
        file = folder / PROCESS
        return cls(**{**json.loads(file.read_text()), "folder": folder}) if file.exists() else None

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def spawn(self) -> None:
        """Starts the process without waiting until it answers."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment,
                **self.user,
                start_new_session=True,  # a Ctrl-C is ours to handle, in order
            )
        _children[process.pid] = process
        self.pid, self.born = process.pid, _birth(process.pid)
        (self.folder / PROCESS).write_text(json.dumps(asdict(self), default=str))

    def wait(self) -> None:
        """Waits until the server answers; raises StackError with the end of its log where it never does."""
        with step(f"Starting {self.name} at {self.address}"):
            deadline = time.monotonic() + START_SECONDS
            while not PROBES[self.name](self.address):
                if not self.is_alive():
                    raise StackError(f"{self.name} ended while it started. {self._tail()}")
                if time.monotonic() > deadline:
                    raise StackError(f"{self.name} is silent after {START_SECONDS} s. {self._tail()}")
                time.sleep(POLL_SECONDS)

    def start(self) -> None:
        """Starts the server and waits until it answers; raises StackError."""
        self.spawn()
        self.wait()

    def stop(self) -> None:
        """Ends the server in order, or by force where it takes too long; nothing where it is not running."""
        if self.is_alive() and self.pid is not None:
            os.kill(self.pid, signal.SIGTERM)  # Elasticsearch's launcher ends its server, then itself
        if not self._is_gone_within(STOP_SECONDS):
            self.kill()
        (self.folder / PROCESS).unlink(missing_ok=True)

    def kill(self) -> None:
        """Ends the server at once, as a crash would."""
        if self.is_alive() and self.pid is not None:
            os.killpg(self.pid, signal.SIGKILL)
        self._is_gone_within(STOP_SECONDS)

    def is_alive(self) -> bool:
        """Whether the process runs and is still this server: a pid may have gone to another program since."""
        if self.pid is None:
            return False
        if self.pid in _children:
            _children[self.pid].poll()  # lets go of a dead one
        return bool(self.born) and self.born == _birth(self.pid)

    def _is_gone_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.is_alive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-15:] if self.log.exists() else []
        return f"The end of its log, {self.log}:\n" + "\n".join(lines)


def _birth(pid: int) -> str:
    """When the process began, in the system's own words; empty where there is none, or a dead one."""
    if Path("/proc/self").exists():
        try:
            state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        return "" if state == "Z" else fields[18]
    command = ["ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

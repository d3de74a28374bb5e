"""A child process that loads revisions, so that the worker's own work goes on; what a revision shares with
the one before is neither read nor handed over again."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

import structlog

from pipeline import logs, revisions
from pipeline.policy.again import Loader
from pipeline.policy.hand_over import Difference, Receiver, Sender
from pipeline.policy.policies import Policies
from pipeline.policy.problems import ManifestError
from pipeline.policy.revision import to_policies
from pipeline.revisions import Resources, Revision, RevisionError
from pipeline.sections import Logs

log = structlog.get_logger(__name__)

type Answer = tuple[Revision, Difference] | RevisionError | ManifestError


class CompilerDiedError(RuntimeError):
    """The child ended without an answer; the message says how."""


class Compiler:
    """The child as its parent sees it: started when first asked, and again after it died.

    `stop` may be called while another thread asks.
    """

    def __init__(self, settings: Logs) -> None:
        self._logs = settings
        self._child: subprocess.Popen[bytes] | None = None
        self._told: dict[str, bytes] = {}
        self._receiver = Receiver()
        self._asking = threading.Lock()
        self._stopped = threading.Event()

    def ask(self, record: bytes | None, resources: Resources) -> tuple[Revision, Difference]:
        """Load a revision; what comes back is to be taken (`take`) before the next is asked for.

        Raises RevisionError and ManifestError where it cannot be used, CompilerDiedError.
        """
        with self._asking:
            try:
                child = self._living()
                _write(child.stdin, (record, revisions.changes(self._told, resources)))
                self._told = dict(resources)
                answer: Answer = _read(child.stdout)
            except (EOFError, OSError, pickle.UnpicklingError):
                raise CompilerDiedError(self._burial()) from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def take(self, difference: Difference) -> Iterator[None]:
        """Unpack piece by piece; `policies` are whole after that."""
        return self._receiver.take(difference)

    @property
    def policies(self) -> Policies:
        return self._receiver.policies

    @property
    def pid(self) -> int | None:
        """Of the child; None where there is none."""
        return self._child.pid if self._child else None

    def stop(self) -> None:
        """End the child at once, and start none any more."""
        self._stopped.set()
        if child := self._child:
            child.kill()  # whoever waits for its answer hears of it
        with self._asking:
            if self._child:
                self._burial()

    def _living(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            self._told = {}
            self._child = _start()
            _write(self._child.stdin, self._logs)
        if self._stopped.is_set():
            self._child.kill()
        return self._child

    def _burial(self) -> str:
        if self._child is None:
            return "the process that loads policies cannot be started: is there memory for it?"
        with suppress(OSError), self._child as child:  # what it was not told yet goes nowhere
            child.kill()
        self._child = None
        return f"the process that loads policies ended {_how(child.returncode)}, and is started again"


def _how(code: int) -> str:
    return f"with exit code {code}" if code >= 0 else f"by {signal.Signals(-code).name}"


def _start() -> subprocess.Popen[bytes]:
    """It finds our modules where we did, and writes its log where we do."""
    path = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "agents.compile_policies"],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _write(pipe: IO[bytes] | None, message: Any) -> None:
    assert pipe
    pickle.dump(message, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _read(pipe: IO[bytes] | None) -> Any:
    assert pipe
    return pickle.load(pipe)  # noqa: S301 - between parent and child


def main() -> None:
    """The child: one answer for each question, until there is nobody to ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent too, which ends us in time
    questions, answers, sys.stdout = sys.stdin.buffer, sys.stdout.buffer, sys.stderr
    logs.configure(_read(questions))
    waiting: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_listen, args=(questions, waiting), daemon=True).start()
    loader, sender, resources = Loader(), Sender(), dict[str, bytes]()
    while True:
        record, changes = waiting.get()
        resources = {key: value for key, value in (resources | changes).items() if value is not None}
        gc.disable()  # nearly all that is made stays: looking for garbage takes as long as loading
        _write(answers, _answer(record, resources, loader, sender))
        gc.collect()  # of this revision only: what stays is not looked at again
        gc.freeze()
        gc.enable()


def _answer(record: bytes | None, resources: Resources, loader: Loader, sender: Sender) -> Answer:
    try:
        revision = revisions.decode(record)
        revisions.check_whole(revision, resources)
        return revision, sender.difference(to_policies(loader.load(resources)))
    except (RevisionError, ManifestError) as error:
        return error
    except Exception:
        log.exception("policies that cannot be loaded, for a reason that is no fault of theirs")
        sys.exit(1)


def _listen(questions: IO[bytes], waiting: "SimpleQueue[Any]") -> None:
    """Whatever the child is doing, it ends when its parent does."""
    while True:
        try:
            waiting.put(_read(questions))
        except (EOFError, OSError):
            os._exit(0)


if __name__ == "__main__":
    main()

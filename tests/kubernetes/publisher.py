"""`flowtier publish --from-kubernetes` as a child process."""

import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from confluent_kafka import Message

from agents.whole_topic import WholeTopic
from pipeline import revisions
from pipeline.revisions import Resources, Revision, Shelf
from tests.agents.installation import FLOWTIER, ROOT, Installation
from tests.waiting import until


@dataclass
class Publisher:
    """Runs as a context from where everything is published for the first time."""

    installation: Installation
    kubeconfig: Path
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        return self.installation.folder / "publisher.log"

    def __enter__(self) -> Self:
        self.start()
        first = "facts published" if "--facts-only" in self.options else "revision published"
        until(lambda: self.said(first) and self.said("facts published"), seconds=90)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTIER_")}
        command = ["publish", "--from-kubernetes", "--kubeconfig", str(self.kubeconfig), *self.options]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [*FLOWTIER, *command],
                cwd=ROOT,
                env=environment | self.installation.environment,
                stdout=output,
                stderr=output,
            )

    def said(self, event: str) -> list[dict[str, Any]]:
        """What the log says by these words; AssertionError where the process has ended."""
        text = self.log.read_text()
        assert self.process
        assert self.process.poll() is None, text[-4000:]
        said = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return [each for each in said if event in each["event"]]

    def pause(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """The exit code after SIGTERM."""
        assert self.process
        self.process.terminate()
        return self.process.wait(30)

    def revisions(self) -> list[tuple[Revision, Resources]]:
        """All that were published so far, each with what it holds; AssertionError for one that is torn."""
        found: list[tuple[Revision, Resources]] = []
        shelf, newest = Shelf(), None
        for record in self._records(self.installation.topics.policies.name):
            shelf.put((record.key() or b"").decode(), record.value())
            if shelf.newest is not newest:
                newest = shelf.newest
                assert newest
                revision = revisions.decode(newest[0])
                revisions.check_whole(revision, newest[1])
                found.append((revision, newest[1]))
        return found

    def newest(self) -> Resources:
        """What the newest revision holds."""
        return self.revisions()[-1][1]

    def facts(self) -> dict[str, dict[str, Any]]:
        """The newest record of each fact."""
        records = self._records(self.installation.topics.facts.name)
        return {(each.key() or b"").decode(): json.loads(each.value() or b"{}") for each in records}

    def _records(self, topic: str) -> list[Message]:
        with WholeTopic(self.installation.settings, topic) as whole:
            return whole.read_to_end()

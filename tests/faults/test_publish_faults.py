"""Half of a publish: killed at any moment, it is never judged by, and the next one repairs it."""

import contextlib
import random
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition

from agents.transactions import OPEN_SECONDS
from pipeline import revisions
from pipeline.revisions import Shelf
from tests.agents.installation import Installation, Worker
from tests.faults.secured import start
from tests.waiting import until

RESOURCES = 3_000
SET = """\
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {{name: set-{number}}}
spec: {{nets: [10.{edition}.{high}.{low}/32]}}
"""


@pytest.fixture
def installation(kafka, elasticsearch, unique, tmp_path) -> Iterator[Installation]:
    """On the servers that all tests share, since none is stopped here."""
    installed = Installation(kafka, elasticsearch, unique, tmp_path)
    installed.create_topics()
    (tmp_path / "policies").mkdir()
    yield installed
    installed.close()


def begin(installation: Installation, edition: int) -> subprocess.Popen[str]:
    """Starts to publish thousands of resources, each of which differs from every other edition's."""
    text = "---\n".join(
        SET.format(number=number, edition=edition, high=number // 256, low=number % 256)
        for number in range(RESOURCES + edition)
    )
    (installation.folder / "policies" / "sets.yaml").write_text(text)
    policies = str(installation.folder / "policies")
    return start(installation.environment, "publish", policies, "--source", "test")


def whole(installation: Installation) -> list[str]:
    """The revisions that a reader of committed records sees; each of them is whole, or this fails."""
    shelf, found = Shelf(), []
    for record in installation.records(installation.topics.policies.name):
        key = record.key().decode()
        shelf.put(key, record.value())
        if key == revisions.KEY:
            revision = revisions.decode(record.value())
            revisions.check_whole(revision, shelf.resources)
            found.append(revision.revision)
    return found


class Watching(threading.Thread):
    """Asks workers again and again for the revision in force."""

    def __init__(self) -> None:
        super().__init__()
        self.workers: list[Worker] = []
        self.seen: set[str] = set()
        self.problems: set[str] = set()
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(0.02):
            for worker in [each for each in self.workers if each.address]:
                health = worker.health()
                self.seen |= {health["revision"]} - {None}
                self.problems |= set(health["problems"].values())

    def finish(self) -> None:
        self._end.set()
        self.join()


class End:
    """Where the policies topic ends, of what is not committed too."""

    def __init__(self, installation: Installation) -> None:
        options = {"group.id": "nobody", "isolation.level": "read_uncommitted"}
        self._reader = Consumer({"bootstrap.servers": installation.kafka, **options})
        self._part = TopicPartition(installation.topics.policies.name, 0)

    def __call__(self) -> int:
        return self._reader.get_watermark_offsets(self._part, 20)[1]

    def moves(self) -> None:
        """Returns the moment that something is written."""
        before = self()
        until(lambda: any(self() > before for _ in range(1_000)), 120)  # without a pause


def seconds(publishing: subprocess.Popen[str]) -> float:
    """How long it takes."""
    began = time.monotonic()
    output = publishing.communicate(timeout=120)
    assert publishing.returncode == 0, output
    return time.monotonic() - began


def test_half_a_publish_is_never_in_force_and_the_next_one_repairs_it(installation, kills) -> None:
    """Killed as soon as it writes, which is where half of it can be seen, and at any other moment."""
    chance, watching, begun = random.Random(5), Watching(), 0
    usual = seconds(begin(installation, 0))
    end = End(installation)
    watching.workers.append(installation.start_worker())
    until(watching.workers[0].ready)
    watching.start()
    for edition in range(1, 10 * kills):
        if edition > kills and begun > len(whole(installation)) - 1:  # some were killed in the middle of it
            break
        process, before = begin(installation, edition), end()
        if edition % 4:
            end.moves()
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.1, usual))
        process.kill()
        process.communicate()
        begun += end() > before
        if edition == kills - 1:  # one that starts on what the dead left behind
            watching.workers.append(installation.start_worker())
            until(watching.workers[1].ready, 60)
    assert seconds(begin(installation, edition)) < 3 * usual + OPEN_SECONDS
    _, *finished, newest = whole(installation)
    assert len(finished) < begun  # some were killed in the middle of it
    until(lambda: [each.health()["revision"] for each in watching.workers] == [newest] * 2, 60)
    watching.finish()
    assert watching.seen <= set(whole(installation))
    assert not [each for each in watching.problems if "refused" in each]

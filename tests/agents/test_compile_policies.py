"""The child process that loads policies: its answers, and that it never outlives its parent."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agents.compile_policies import Compiler, CompilerDiedError
from pipeline.policy.load import load_texts
from pipeline.policy.policies import Policies
from pipeline.policy.problems import ManifestError
from pipeline.policy.revision import to_policies
from pipeline.revisions import RevisionError
from pipeline.sections import Logs
from tests.agents.installation import ALLOW_ALL, ROOT, STAGED_DENY, flow, lines
from tests.benchmarks import large_revision
from tests.waiting import until


@pytest.fixture
def compiler() -> Iterator[Compiler]:
    compiler = Compiler(Logs())
    yield compiler
    compiler.stop()


def ask(compiler: Compiler, resources: dict[str, bytes]) -> Policies:
    _, difference = compiler.ask(large_revision.record(resources), resources)
    list(compiler.take(difference))
    return compiler.policies


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_its_policies_are_those_of_loading_here(compiler) -> None:
    resources = large_revision.resources(50)
    for changed in (
        resources,
        resources | dict([large_revision.resource(3, 9)]),
        dict(list(resources.items())[5:]),
    ):
        assert ask(compiler, changed) == to_policies(load_texts(changed.items()))


def test_what_is_wrong_comes_back_as_it_is_and_costs_nothing(compiler) -> None:
    resources = large_revision.resources(5)
    before = ask(compiler, resources)
    with pytest.raises(RevisionError, match="are not those of revision"):
        compiler.ask(large_revision.record(resources), resources | dict([large_revision.resource(3, 9)]))
    with pytest.raises(RevisionError, match="cannot be read"):
        compiler.ask(b"{}", resources)
    wrong = resources | {
        "GlobalNetworkPolicy//x": json.dumps(
            {
                "apiVersion": "projectcalico.org/v3",
                "kind": "GlobalNetworkPolicy",
                "metadata": {"name": "x"},
                "spec": {"ordr": 1},
            }
        ).encode()
    }
    with pytest.raises(ManifestError, match=r"GlobalNetworkPolicy//x:1: spec\.ordr: unknown field"):
        compiler.ask(large_revision.record(wrong), wrong)
    pid = compiler.pid
    assert ask(compiler, resources) == before
    assert compiler.pid == pid


def test_one_that_was_killed_is_replaced_and_asked_again(compiler) -> None:
    resources = large_revision.resources(20)
    ask(compiler, resources)
    os.kill(compiler.pid, signal.SIGKILL)
    changed = resources | dict([large_revision.resource(3, 9)])
    with pytest.raises(CompilerDiedError, match="ended by SIGKILL, and is started again"):
        ask(compiler, changed)
    assert ask(compiler, changed) == to_policies(load_texts(changed.items()))


def test_stopping_ends_it_at_once_in_the_middle_of_its_work(compiler) -> None:
    ask(compiler, large_revision.resources(1))
    pid, asked = compiler.pid, []

    def wait_for_it() -> None:
        with pytest.raises(CompilerDiedError):
            ask(compiler, large_revision.resources())
        asked.append(True)

    waiting = Thread(target=wait_for_it)
    waiting.start()
    compiler.stop()
    waiting.join(5)
    assert asked
    assert not alive(pid)


PARENT = """
from agents.compile_policies import Compiler
from pipeline.sections import Logs
from tests.benchmarks import large_revision
compiler = Compiler(Logs())
small, large = large_revision.resources(1), large_revision.resources()
compiler.ask(large_revision.record(small), small)
print(compiler.pid, flush=True)
compiler.ask(large_revision.record(large), large)
"""


def test_it_ends_with_a_parent_that_is_killed_whatever_it_is_doing() -> None:
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.kill()
    until(lambda: not alive(child), 5)


def compilers(pid: int) -> list[int]:
    """The child processes of a worker, of whichever of its threads."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended since has none
            found += map(int, (task / "children").read_text().split())
    return found


def metric(worker, name: str) -> float:
    families = text_string_to_metric_families(worker.get("/metrics"))
    return next(sample.value for family in families for sample in family.samples if sample.name == name)


def test_a_worker_goes_on_without_its_child_replaces_it_and_takes_it_along(installation) -> None:
    installation.publish(ALLOW_ALL)
    worker = installation.start_worker()
    until(worker.ready)
    (child,) = compilers(worker.process.pid)
    os.kill(child, signal.SIGSTOP)  # a revision that takes long
    second = installation.publish(ALLOW_ALL, STAGED_DENY).revision.revision
    installation.produce([lines([flow(n) for n in range(10)])])
    installation.wait_for_documents(10)  # judged by the revision before
    assert worker.health()["revision"] != second
    third = installation.publish(STAGED_DENY).revision.revision
    os.kill(child, signal.SIGKILL)
    until(lambda: worker.health()["revision"] == third)
    assert metric(worker, "flowtier_compiler_died_total") >= 1
    assert worker.health()["problems"] == {}
    (child,) = compilers(worker.process.pid)
    worker.kill()
    until(lambda: not alive(child), 5)


def test_a_worker_that_stops_ends_its_child(installation) -> None:
    installation.publish(ALLOW_ALL)
    worker = installation.start_worker()
    until(worker.ready)
    (child,) = compilers(worker.process.pid)
    assert worker.stop() == 0
    assert not alive(child)

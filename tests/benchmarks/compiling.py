"""What a revision of 10,000 policies costs to load and compile, whole and with one policy changed, and what
batches notice of it that are judged meanwhile."""

import gc
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Thread

import numpy as np

from agents.compile_policies import Compiler
from agents.take_turns import Turns
from pipeline.decode import Limits
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.judge import Judge
from pipeline.policy.policies import Policies
from pipeline.process import process
from pipeline.sections import Logs
from tests.benchmarks import large_revision

FLOWS, BATCHES, CHANGES = 4_000, 200, 5


class Follower:
    """A worker's judging thread, and what takes over revisions between its batches."""

    def __init__(self) -> None:
        self.facts: Facts = large_revision.facts()
        self.judging = ThreadPoolExecutor(1, "judging")
        self.compiler = Compiler(Logs(level="warning"))
        self.judge: Judge | None = None
        self.swaps = 0

    def take_over(self, resources: dict[str, bytes]) -> None:
        _, difference = self.compiler.ask(large_revision.record(resources), resources)
        self._in_turns(self.compiler.take(difference))
        judge = make_judge(self.compiler.policies, self.facts)
        if self.judge is None:  # as the worker does
            gc.collect()
            gc.freeze()
        self._in_turns(judge.get_ready(self.judge))
        self.judge = judge
        self.swaps += 1

    def _in_turns(self, pieces: Iterator[None]) -> None:
        turns = Turns(pieces)
        while not self.judging.submit(turns.next, time.perf_counter()).result():
            pass

    def batch(self, messages: list[Message]) -> None:
        self.judging.submit(self._judge, messages).result()

    def _judge(self, messages: list[Message]) -> None:
        assert self.judge
        process(messages, self.judge, None, Limits())

    def child_seconds(self) -> float:
        if not self.compiler.pid:
            return 0.0
        stat = Path(f"/proc/{self.compiler.pid}/stat").read_text().split()
        return (int(stat[13]) + int(stat[14])) / 100

    def stop(self) -> None:
        self.compiler.stop()
        self.judging.shutdown()


def make_judge(policies: Policies, facts: Facts) -> Judge:
    return Judge(policies, facts, "benchmark", 0, 4096)


def report() -> None:
    resources = large_revision.resources()
    print(f"Loading and compiling {len(resources):,} policies, CPU seconds: in the child, in the worker")
    follower = Follower()
    _report_cost("  the first, with 20,050 distinct selectors", follower, resources)
    for number in range(CHANGES):
        resources |= [large_revision.resource(number * 37 + 5, 9000)]
        _report_cost("  one policy changed", follower, resources)
    child = Path(f"/proc/{follower.compiler.pid}/status").read_text()
    (memory,) = [line.split()[1] for line in child.splitlines() if "VmRSS" in line]
    print(f"  memory of the child: {int(memory) / 1024:.0f} MB")
    messages = large_revision.messages(FLOWS)
    follower.batch(messages)
    _report_batches("  without revisions", _times(lambda: follower.batch(messages)))
    stopped = Event()
    changing = Thread(target=_publish, args=(follower, dict(resources), stopped))
    swaps = follower.swaps
    changing.start()
    _report_batches("  under revisions  ", _times(lambda: follower.batch(messages)))
    print(f"    {follower.swaps - swaps} revisions were taken over meanwhile")
    stopped.set()
    changing.join()
    _check(follower, messages)
    follower.stop()


def _publish(follower: Follower, resources: dict[str, bytes], stopped: Event) -> None:
    """Change one policy after the other, as fast as they are taken over."""
    number = 0
    while not stopped.is_set():
        number += 1
        resources |= [large_revision.resource(number * 41 % large_revision.POLICIES, 7000 + number)]
        follower.take_over(resources)


def _check(follower: Follower, messages: list[Message]) -> None:
    """The verdicts are those of the same revision compiled afresh."""
    assert follower.judge
    afresh = make_judge(follower.judge.policies, large_revision.facts())
    ours, theirs = (process(messages, judge, None, Limits()) for judge in (follower.judge, afresh))
    assert ours.documents == theirs.documents


def _times(batch: Callable[[], None]) -> list[tuple[float, float]]:
    times = []
    for _ in range(BATCHES):
        began, start = time.process_time(), time.perf_counter()
        batch()
        times.append((time.process_time() - began, time.perf_counter() - start))
    return times


def _report_batches(name: str, times: list[tuple[float, float]]) -> None:
    for kind, values in zip(("CPU", "wall"), np.array(times).T * 1000, strict=True):
        median, late, last = np.percentile(values, [50, 99, 100])
        print(
            f"{name} {kind:>4}: median {median:.0f} ms, 99th percentile {late:.0f} ms, at most {last:.0f} ms"
        )


def _report_cost(name: str, follower: Follower, resources: dict[str, bytes]) -> None:
    before, began, start = follower.child_seconds(), time.process_time(), time.perf_counter()
    follower.take_over(resources)
    child, worker = follower.child_seconds() - before, time.process_time() - began
    print(f"{name}: {child:.2f} + {worker:.2f}, wall {time.perf_counter() - start:.2f}")


if __name__ == "__main__":
    report()

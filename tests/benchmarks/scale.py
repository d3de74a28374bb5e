"""What 10,000 policies, 20,000 distinct selectors and 100,000 identities cost: time of a class, memory."""

import multiprocessing
import time
from pathlib import Path
from statistics import median

import numpy as np

from pipeline.decode import decode
from pipeline.flow import Ints
from pipeline.judge import DIRECTIONS, Judge
from pipeline.limits import Limits
from pipeline.match.cells import FlowClasses
from pipeline.match.evaluate import Evaluator
from pipeline.match.tables import Tables
from pipeline.policy.policies import Direction
from pipeline.process import process
from pipeline.resolve import Resolver
from tests.benchmarks import cluster
from tests.benchmarks.checked import differences

CLASSES, RUNS, CHECKED = 20_000, 7, 10
BATCH, FLOWS = 20_000, 1_600_000


def report() -> None:
    print(
        f"{cluster.POLICIES:,} policies, 20,000 distinct selectors, {cluster.PODS:,} identities, one core;"
        " all scopes, traces, each staged policy's own effect"
    )
    for shape in cluster.SHAPES:
        print(f"  {shape} policies")
        for part in (judging, memory):
            child = multiprocessing.get_context("spawn").Process(target=part, args=(shape,))
            child.start()
            child.join()
            if child.exitcode:
                raise SystemExit(child.exitcode)


def judging(shape: str) -> None:
    """CPU of a class whose endpoints are known, and of what is first seen."""
    policies, facts = cluster.policies(shape), cluster.facts()
    start = time.process_time()
    evaluator = Evaluator(Tables(policies, [], []))
    _tell("tables", time.process_time() - start, 1, "s")
    resolver = Resolver(facts, policies)
    spent = 0.0
    for low in range(0, cluster.PODS, BATCH):
        batch = decode(cluster.messages(_meetings(low), "src", low)).batch
        start = time.process_time()
        resolved = resolver.resolve(batch)
        spent += time.process_time() - start
    _tell("resolving an endpoint that was never seen", spent / cluster.PODS, 1e6, "µs")
    random = np.random.default_rng(1)
    known = np.arange(len(resolved.sides))

    def classes(source: Ints, dest: Ints) -> FlowClasses:
        none = np.zeros(len(source), np.int64)
        port = random.integers(0, 1 << 16, len(source))
        return FlowClasses(source, dest, none + 6, none - 1, port, none, resolved.sides)

    def cost(direction: Direction, some: FlowClasses) -> float:
        start = time.process_time()
        evaluator.evaluate(direction, some)
        return (time.process_time() - start) / len(some.source)

    random.shuffle(known)
    first = [
        cost("egress", classes(known[low - CLASSES : low], known[low : low + CLASSES]))
        for low in range(CLASSES, len(known), CLASSES)
    ]
    _tell("judging a class between two endpoints that were never judged", median(first), 1e6, "µs")
    for direction in DIRECTIONS.values():
        cost(direction, classes(known, np.roll(known, 1)))
        batches = [classes(random.choice(known, CLASSES), random.choice(known, CLASSES)) for _ in range(RUNS)]
        costs = [cost(direction, some) for some in batches]
        _tell(f"judging a class that was never seen, {direction}", median(costs), 1e6, "µs")
        found = evaluator.evaluate(direction, batches[0]).outcome[:CHECKED]
        for number, outcome in enumerate(found.tolist()):
            wrong = differences(policies, direction, batches[0], number, evaluator.outcomes[outcome])
            if wrong:
                raise SystemExit(f"the reference differs: {wrong} of {evaluator.outcomes[outcome]}")
    print(f"    {2 * CHECKED} of these verdicts are the reference's; {len(evaluator.outcomes):,} outcomes")


def memory(shape: str) -> None:
    """The resident set of a worker's process: facts and policies taken over from records, then batches."""
    _memory("Python and libraries")
    policies = cluster.policies(shape)
    _memory("and policies")
    facts = cluster.facts()
    _memory("and facts")
    judge = Judge(policies, facts, "bench", 0, 4096)
    cost, every = 0.0, FLOWS // BATCH // 4
    for number in range(1, FLOWS // BATCH + 1):
        messages = cluster.messages(_meetings(number * BATCH), ("src", "dst")[number % 2], number * BATCH)
        start = time.process_time()
        process(messages, judge, None, Limits())
        cost += time.process_time() - start
        if number % every == 0:
            each = cost / number / BATCH * 1e6
            _memory(f"and {number * BATCH:,} flows, as many classes, {each:.0f} µs each")


def _meetings(first: int) -> list[tuple[int, int]]:
    """A batch of pairs of pods, hardly one twice: each pod is both source and destination in 100,000."""
    numbers = range(first, first + BATCH)
    return [(n % cluster.PODS, (n * 7919 + n // cluster.PODS * 31) % cluster.PODS) for n in numbers]


def _tell(what: str, seconds: float, scale: float, unit: str) -> None:
    print(f"    {what:<60} {seconds * scale:8.2f} {unit}", flush=True)


def _memory(what: str) -> None:
    status = dict(
        line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    )
    now, most = (int(status[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    print(f"    {what:<60} {now:8.0f} MB, at most {most:.0f} MB", flush=True)

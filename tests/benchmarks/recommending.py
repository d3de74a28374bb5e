"""What recommending costs: a million flows without a server, a large namespace, and what is remembered."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from pipeline.facts import Facts
from pipeline.observations import Observations, ObservedEdge, ObservedWorkload
from pipeline.observe import HOUR_MS
from pipeline.policy.policies import Policies
from pipeline.recommend.learn import Window, add, learn
from pipeline.recommend.learned import Learned, encode, together
from pipeline.recommend.recommend import recommend
from pipeline.recommend.recommendation import Options
from tests.benchmarks.recommending_flows import EDGES, NAMESPACES, write_flows

FLOWS, RUNS = 1_000_000, 3
HOUR = 490_000  # since the epoch
LARGE, LARGE_EDGES = 1_000, 5_000  # workloads and edges of the large namespace
# Theia's Spark job on the same shape of data, local, on two cores of the same kind.
THEIA = "33 s, 35 CPU s, over 800 MB"
FLOWTIER = (sys.executable, "-c", "from agents.cli import main; main()")


def report() -> None:
    print(
        f"{FLOWS:,} flows, {NAMESPACES} namespaces, {NAMESPACES * EDGES:,} distinct edges, without a server"
    )
    with TemporaryDirectory(prefix="flowtier-benchmark-") as folder:
        log = Path(folder) / "flows.log"
        write_flows(log, FLOWS)
        wall, cpu, memory = _offline(log, Path(folder) / "out")
    print(f"  {wall:.1f} s, {cpu:.1f} CPU s, {memory / 2**20:.0f} MB at most (Theia: {THEIA})")
    values = _a_day(LARGE, 10_000)
    size = sum(map(len, values))
    print(f"State of 10,000 edges seen in each hour of a day: {size / 1e6:.2f} MB, {len(values)} values,")
    print(f"  the largest {max(map(len, values)) / 1e3:.0f} kB")
    print(f"Proposing for a namespace of {LARGE:,} workloads and {LARGE_EDGES:,} edges: {_large():.2f} s")


def _offline(log: Path, out: Path) -> tuple[float, float, float]:
    """(s, CPU s, bytes) of the command, as a user runs it."""
    began = time.perf_counter()
    child = subprocess.Popen(
        [*FLOWTIER, "recommend", str(log), "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError(f"flowtier recommend ended with status {status}")
    wall = time.perf_counter() - began
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def _a_day(workloads: int, edges: int) -> list[bytes]:
    """The values of the table after a day in which each edge was seen every hour."""
    places: dict[str, Learned] = {}
    for hour in range(24):
        for place, part in learn(_observations(workloads, edges, HOUR + hour), _ALWAYS).parts.items():
            add(places.setdefault(str(place), Learned({}, {}, {})), part)
    return [encode(each) for each in places.values()]


_ALWAYS = Window(0, 1 << 40)


def _large() -> float:
    """Seconds, the median of several runs."""
    parts: list[Learned] = []
    for hour in range(0, 48, 4):
        parts += learn(_observations(LARGE, LARGE_EDGES, HOUR + hour), _ALWAYS).parts.values()
    known = {"large": together(parts)}
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        found = recommend(known, Policies("benchmark"), Facts(), Options(), {})
        times.append(time.perf_counter() - began)
        assert len(found) == LARGE
    return median(times)


def _observations(workloads: int, edges: int, hour: int) -> Observations:
    rng = random.Random(1)
    pairs = sorted(rng.sample(range(workloads * workloads), edges - workloads))
    pairs += [number * workloads + (number + 1) % workloads for number in range(workloads)]
    names = [f"service-{number:04}" for number in range(workloads)]
    told = [ObservedWorkload("wep", "large", f"{name}-*", {"app": name}) for name in names]
    seen = [_edge(names, *divmod(pair, workloads), hour) for pair in pairs]
    return Observations("large", "r1", told, seen, [])


def _edge(names: list[str], source: int, dest: int, hour: int) -> ObservedEdge:
    ends = hour * HOUR_MS
    return ObservedEdge(
        direction="egress",
        reporter="src",
        workload=f"{names[source]}-*",
        workload_type="wep",
        peer=f"{names[dest]}-*",
        peer_type="wep",
        peer_namespace="large",
        interval=hour * HOUR_MS,
        first=ends - 300_000,
        last=ends,
        flows=12,
        connections=120,
        started=100,
        bytes_in=1_000_000,
        bytes_out=200_000,
        packets_in=900,
        packets_out=800,
        completed=100,
        logged="allow",
        enforced="allow",
        promoted="allow",
        impact="none",
        example="Zm9v-0-123456-7",
        protocol=6,
        port=8_000 + dest % 10,
    )

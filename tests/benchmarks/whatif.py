"""What a what-if costs: recorded flows in a file, two revisions of 1,000 policies, in one process and two."""

import os
import shutil
import subprocess
import sys
import time
from itertools import batched
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import yaml

from deploy.demo.generate import HISTORY, INTERVAL, SEED, window_until, write_sample
from pipeline.policy.load import load_paths
from pipeline.policy.revision import to_policies
from tests.benchmarks.inputs import HOURS, LONG_AGO, in_full, matches_nothing, pass_tier

POLICIES, FLOWS = 1_000, 1_000_000
AIMS = {1: "90 s on one core for 10,000,000", 2: "near half of it"}
FLOWTIER = (sys.executable, "-c", "from agents.cli import main; main()")


def report(flows: int = FLOWS) -> None:
    """`flows`: how many, in copies of FLOWS where there are more."""
    with TemporaryDirectory(prefix="flowtier-benchmark-") as name:
        folder = Path(name)
        written = write_sample(folder, window_until(LONG_AGO, HOURS, INTERVAL), min(flows, FLOWS), SEED)
        base, head = _revisions(folder, written.policies)
        log = folder / "as-calico-writes-it.log"
        _in_full(written.flow_log, log)
        files = [str(log)] * (flows // written.flows)
        size = log.stat().st_size / written.flows
        print(f"{flows:,} flows of {size:.0f} bytes, two revisions of {POLICIES:,} policies")
        told = []
        for jobs, aim in AIMS.items():
            arguments = [str(base), str(head), *files, "--facts", str(written.facts), "--jobs", str(jobs)]
            wall, cpu, memory, found = _run(arguments, folder / "report.json")
            told.append(found)
            each = cpu / flows * 1e6
            print(
                f"  {jobs} jobs: {wall:.1f} s, {cpu:.1f} CPU s ({each:.1f} µs a flow),"
                f" {memory / 2**20:.0f} MB in the largest process (aim: {aim})",
                flush=True,
            )
        if told[0] != told[1]:
            raise SystemExit("two jobs say something else than one")
        totals = ", ".join(f"{change} {total['edges']}" for change, total in told[0]["totals"].items())
        print(f"  edges: {totals}; the same of one job and two")


def _in_full(sample: Path, log: Path) -> None:
    """The sample's flows with their fields in Calico's order."""
    with sample.open("rb") as lines, log.open("wb") as out:
        for some in batched(lines, 10_000):
            out.writelines(line + b"\n" for line in in_full(some))


def _revisions(folder: Path, published: Path) -> tuple[Path, Path]:
    """The policies before the sample's edit and after it, each with as many more that match nothing."""
    base = folder / "before"
    shutil.copytree(published, base)
    for file in HISTORY.glob("*.yaml"):
        (place,) = base.rglob(file.name)
        shutil.copy(file, place)
    for revision in (base, published):
        known = len(to_policies(load_paths([revision])).policies)
        more = [pass_tier(), *map(matches_nothing, range(POLICIES - known))]
        (revision / "more.yaml").write_text(yaml.safe_dump_all(more))
    return base, published


def _run(arguments: list[str], out: Path) -> tuple[float, float, float, dict[str, dict[str, dict[str, int]]]]:
    """(s, CPU s, bytes of the largest process, the report) of the command, as a user runs it."""
    began = time.perf_counter()
    with out.open("wb") as file:
        child = subprocess.Popen(
            [*FLOWTIER, "whatif", *arguments, "--json"], stdout=file, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError(f"flowtier whatif ended with status {status}")
    wall = time.perf_counter() - began
    cpu = usage.ru_utime + usage.ru_stime  # its children's, which it has waited for, are in it
    return wall, cpu, usage.ru_maxrss * 1024, orjson.loads(out.read_bytes())


if __name__ == "__main__":
    report(int(sys.argv[1]) if len(sys.argv) > 1 else FLOWS)

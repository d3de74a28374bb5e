"""What `flowtier check` of 5,000 policies in files costs: the whole command, and what of it is what."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from pipeline.check.registry import LINTS
from pipeline.check.run import subject_of
from pipeline.policy.load import Loaded, load_paths
from tests.benchmarks.cluster import SHAPES, TIERS

POLICIES = 5_000
COMMAND = Path(sys.executable).with_name("flowtier")


class _Plain(yaml.CSafeDumper):
    """As people write it: everything in full, no aliases."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def write(directory: Path, shape: str) -> None:
    """A file for each policy, as large clusters have them, and one for the tiers."""
    tiers = [
        {
            "apiVersion": "projectcalico.org/v3",
            "kind": "Tier",
            "metadata": {"name": name},
            "spec": {"order": order, "defaultAction": "Pass"},
        }
        for order, name in enumerate(TIERS[:-1])
    ]
    (directory / "tiers.yaml").write_text(yaml.dump_all(tiers, Dumper=_Plain, sort_keys=False))
    for number in range(POLICIES):
        document = SHAPES[shape](number * 2)
        (directory / f"policy-{number}.yaml").write_text(yaml.dump(document, Dumper=_Plain, sort_keys=False))


def report() -> None:
    for shape in SHAPES:
        directory = Path(tempfile.mkdtemp())
        try:
            write(directory, shape)
            _report(directory, shape)
        finally:
            shutil.rmtree(directory)


def _report(directory: Path, shape: str) -> None:
    start = time.perf_counter()
    done = subprocess.run([COMMAND, "check", directory], capture_output=True, text=True, check=False)
    print(f"flowtier check of {POLICIES:,} {shape} policies: {time.perf_counter() - start:.1f} s")
    assert done.returncode == 0, done.stderr
    print(f"  {done.stdout.splitlines()[-1].partition(': ')[2]}")
    loaded: Loaded = _measured("  loading, in one of the processes", lambda: load_paths([directory]))
    subject = subject_of(loaded)
    _measured("  what cannot be reached", lambda: subject.unreachable)
    _measured("  all other lints", lambda: [list(lint.find(subject)) for lint in LINTS])


def _measured[T](what: str, call: Callable[[], T]) -> T:
    start = time.process_time()
    answer = call()
    print(f"{what}: {time.process_time() - start:.2f} CPU s")
    return answer


if __name__ == "__main__":
    report()

"""`make bench`: every figure of BENCHMARKS.md, with what it is to be compared with beside it.

`python -m tests.benchmarks chain worker` prints those alone.
"""

import sys
from importlib import import_module

from pipeline import logs
from pipeline.sections import Logs

BENCHMARKS = (
    "judging",
    "scale",
    "compiling",
    "checking",
    "chain",
    "from_kafka",
    "worker",
    "storage",
    "recommending",
    "whatif",
    "whatif_recorded",
    "dashboards",
)

if __name__ == "__main__":
    names = sys.argv[1:] or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"no benchmark is called {', '.join(sorted(unknown))}: there are {', '.join(BENCHMARKS)}")
    logs.configure(Logs(level="error"))
    for name in names:
        import_module(f"tests.benchmarks.{name}").report()
        print()

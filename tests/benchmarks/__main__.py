"""`make bench`: every figure of BENCHMARKS.md, with what it is to be compared with beside it.

`python -m tests.benchmarks chain worker` prints those alone.
"""

import sys
from importlib import import_module

BENCHMARKS = ("judging", "chain")

if __name__ == "__main__":
    names = sys.argv[1:] or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        sys.exit(f"no benchmark is called {', '.join(sorted(unknown))}: there are {', '.join(BENCHMARKS)}")
    for name in names:
        import_module(f"tests.benchmarks.{name}").report()
        print()

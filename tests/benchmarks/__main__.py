"""`make bench`: every figure of BENCHMARKS.md, with what it is to be compared with beside it."""

from tests.benchmarks import chain, judging

if __name__ == "__main__":
    for benchmark in (judging, chain):
        benchmark.report()
        print()

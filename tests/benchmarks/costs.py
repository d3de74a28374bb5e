"""CPU time by stage, as medians of several runs that take turns."""

import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median


class Costs:
    """CPU µs a flow of the whole process, libraries' threads too, by the name of a stage. The first run
    makes what is made once, and does not count."""

    def __init__(self) -> None:
        self._runs: list[dict[str, float]] = []

    def start_run(self) -> None:
        """What is measured from now on belongs to another run."""
        self._runs.append(defaultdict(float))

    def measure[**P, T](self, stage: str, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Make a call, and add what it costs to the stage in this run."""
        start = time.process_time()
        answer = call(*args, **kwargs)
        self._runs[-1][stage] += time.process_time() - start
        return answer

    def of(self, *stages: str, flows: int) -> float:
        """The median of what stages cost together in a run, in µs of each of its `flows`."""
        return median(sum(run[stage] for stage in stages) for run in self._runs[1:]) / flows * 1e6

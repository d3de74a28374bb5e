"""How a worker is: what it says of itself to Kubernetes, to `flowtier status` and to whoever asks."""

from dataclasses import dataclass, field

from pipeline import metrics


@dataclass(slots=True)
class Health:
    """`problems` are sentences by what they are about; `revision` is None until one is in force."""

    revision: str | None = None
    partitions: tuple[int, ...] = ()
    lag: int | None = None
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        """Whether it judges flows, or would if any came."""
        return self.revision is not None

    def tell(self, about: str, problem: str | None) -> None:
        """Set the problem with one thing, or clear it."""
        if problem is None:
            self.problems.pop(about, None)
        else:
            self.problems[about] = problem
        metrics.PROBLEM.labels(about).set(problem is not None)

    def as_json(self) -> dict[str, object]:
        return {
            "ready": self.ready,
            "revision": self.revision,
            "partitions": list(self.partitions),
            "lag": self.lag,
            "problems": self.problems,
        }

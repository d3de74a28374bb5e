"""What is wrong with a manifest, where, and in words for the person who wrote it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self, override

from pipeline.user_error import UserError

type Location = tuple[str | int, ...]
type Finding = tuple[Location, str]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong (or worth a warning) in one place; `line` counts from 1, `field` is a path."""

    file: str
    line: int
    field: str
    reason: str

    @override
    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.reason}"


class ManifestError(UserError):
    """Manifests that cannot be used; `problems` are all that was found wrong."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    @override
    def __reduce__(self) -> tuple[type[Self], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)  # else it would be made from its text


def path(location: Location) -> str:
    """The location as people write it: `spec.ingress[0].source`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text

"""What a check says of manifests: rules with stable names, and what each found where."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.check.subject import Subject
from pipeline.policy.problems import Problem

type Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Lint:
    """One thing that is looked for: `says` explains it, `do` tells what to do, in a sentence each."""

    id: str
    severity: Severity
    says: str
    do: str
    find: Callable[[Subject], Iterable[Problem]]


@dataclass(frozen=True, slots=True)
class Found:
    """What a lint found in one place."""

    lint: Lint
    problem: Problem

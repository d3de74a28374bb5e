"""What a check found, as all forms of its report need it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.check.findings import Found, Lint, Severity
from pipeline.check.registry import RULES
from pipeline.policy.load import Loaded


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in `source`; `files` are all that were looked at, `strict` lets warnings fail, too."""

    source: str
    found: Sequence[Found]
    files: Sequence[str]
    resources: int
    strict: bool = False

    @property
    def counts(self) -> Counter[Severity]:
        return Counter(each.lint.severity for each in self.found)

    @property
    def rules(self) -> list[Lint]:
        """The rules that found something, in their order."""
        ids = {each.lint.id for each in self.found}
        return [lint for lint in RULES if lint.id in ids]

    @property
    def failed(self) -> bool:
        return any(map(self.fails, self.found))

    def fails(self, found: Found) -> bool:
        """Whether a finding lets the check fail: an error, and if strict a warning; a note never does."""
        return found.lint.severity == "error" or (self.strict and found.lint.severity == "warning")


def report_of(source: str, loaded: Loaded, found: Sequence[Found], *, strict: bool) -> Report:
    """The report on what was loaded and found."""
    files = {place.file for place in loaded.places.values()} | {each.problem.file for each in found}
    resources = len(loaded.policies) + len(loaded.facts) + len(loaded.rbac)
    in_order = sorted(found, key=lambda each: each.problem)
    return Report(source, in_order, sorted(files), resources, strict)

"""A check's report as one JSON document."""

import msgspec

from pipeline.check.findings import Lint, Severity
from pipeline.check.report import Report


class Rule(msgspec.Struct, frozen=True):
    """A rule that found something: what it means and what to do, in a sentence each."""

    id: str
    severity: Severity
    says: str
    do: str


class Finding(msgspec.Struct, frozen=True):
    """What a rule found where; lines count from 1, `field` is a path in the manifest."""

    rule: str
    severity: Severity
    file: str
    line: int
    field: str
    reason: str


class CheckReport(msgspec.Struct, frozen=True):
    """What `--json` tells: `failed` is what the exit code says."""

    source: str
    failed: bool
    resources: int
    findings: tuple[Finding, ...]
    rules: tuple[Rule, ...]


def as_json(report: Report) -> str:
    """The report as JSON, indented."""
    findings = tuple(
        Finding(each.lint.id, each.lint.severity, problem.file, problem.line, problem.field, problem.reason)
        for each in report.found
        for problem in [each.problem]
    )
    rules = tuple(map(_rule, report.rules))
    document = CheckReport(report.source, report.failed, report.resources, findings, rules)
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _rule(lint: Lint) -> Rule:
    return Rule(lint.id, lint.severity, lint.says, lint.do)

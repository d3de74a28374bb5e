"""A check's report as lines for people, and in the end what each rule means."""

from pipeline.check.report import Report


def as_text(report: Report) -> str:
    """One line for each finding, `file:line: severity rule: field: reason`."""
    lines = [
        f"{each.problem.file}:{each.problem.line}: {each.lint.severity} {each.lint.id}: "
        f"{each.problem.field}: {each.problem.reason}"
        for each in report.found
    ]
    for lint in report.rules:
        lines += ["", f"{lint.id} ({lint.severity}): {lint.says}", f"    {lint.do}"]
    lines += [""] if lines else []
    counts = report.counts
    found = ", ".join(
        f"{counts[severity]} {severity}{'' if counts[severity] == 1 else 's'}"
        for severity in ("error", "warning", "note")
        if counts[severity]
    )
    return "\n".join(
        [*lines, f"{report.source}: {found or 'nothing found'} in {report.resources:,} resources\n"]
    )

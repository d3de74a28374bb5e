"""What a report says in words, the same in every form of it."""

from pipeline.report import human_bytes
from pipeline.whatif.changes import Change
from pipeline.whatif.report import Line, Report, Total

HEADINGS: dict[Change, str] = {
    "newly_denied": "Newly denied",
    "newly_allowed": "Newly allowed",
    "unknown": "Unknown",
}
SIDES = {"egress": "source", "ingress": "destination"}


def headline(report: Report) -> str:
    """The answer in one sentence."""
    said = [
        f"{counted(total.edges, 'edge')} {HEADINGS[change].lower()} ({_traffic(total)})"
        for change, total in report.totals.items()
        if total.edges
    ]
    what = ", ".join(said) if said else "nothing would have changed"
    return f"{report.base} ▸ {report.head}: {what}; {counted(report.flows, 'recorded flow')} judged."


def remarks(report: Report) -> list[str]:
    """What has to be known to trust the answer."""
    found = []
    if report.disagreeing:
        found.append(
            f"Of {report.disagreeing:,} flows {report.base} says otherwise than the nodes did: these policies"
            " were not in force when they were logged, or facts are missing (--facts)."
        )
    if report.unjudged:
        reasons = ", ".join(f"{reason} {flows:,}" for reason, flows in report.unjudged.items())
        found.append(f"Not judged, in flows: {reasons}.")
    if report.unreadable:
        found.append(f"{report.unreadable:,} lines are no flows that can be read.")
    if not report.flows:
        found.append("There were no flows: nothing was tried.")
    return found


def verdict_of(line: Line) -> tuple[str, str]:
    """What is decided now, and what then."""
    after = str(line.after)
    return str(line.before), f"{after} for want of {', '.join(line.missing)}" if line.missing else after


def counted(count: int, noun: str) -> str:
    """So many of something."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _traffic(total: Total) -> str:
    return f"{counted(total.connections, 'connection')}, {human_bytes(total.bytes)}"

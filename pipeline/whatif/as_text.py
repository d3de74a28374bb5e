"""The report as tables for people at a terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report import human_bytes
from pipeline.whatif.changes import CHANGES, Change
from pipeline.whatif.report import Report, Share
from pipeline.whatif.words import HEADINGS, SIDES, headline, remarks, verdict_of

SHOWN = 20
_COLOURS: dict[Change, str] = {"newly_denied": "red", "newly_allowed": "yellow", "unknown": "magenta"}


def render(report: Report, console: Console) -> None:
    """Print the answer, the changes of each kind, and whom they concern."""
    console.print(headline(report), style="bold", markup=False, highlight=False)
    for remark in remarks(report):
        console.print(remark, markup=False, highlight=False)
    for change in CHANGES:
        if report.of(change):
            console.print(_changes(report, change))
    for title, shares in (("By policy", report.policies), ("By workload", report.workloads)):
        if shares:
            console.print(_shares(title, shares))


def _changes(report: Report, change: Change) -> Table:
    lines = report.of(change)
    table = Table(title=HEADINGS[change], title_justify="left", title_style=f"bold {_COLOURS[change]}")
    table.add_column("edge, and what decides about it now ▸ then", overflow="fold")
    for heading in ("connections", "bytes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for line in lines[:SHOWN]:
        edge = f"{line.edge} (expected)" if line.allowed else str(line.edge)
        now, then = verdict_of(line)
        decided = f"{edge}\n  at its {SIDES[line.direction]}: {now} ▸ {then}"
        table.add_row(Text(decided), f"{line.connections:,}", human_bytes(line.bytes))
    table.caption = _more(len(lines))
    return table


def _shares(title: str, shares: list[Share]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("", overflow="fold")
    for change in CHANGES:
        table.add_column(f"{HEADINGS[change].lower()}, edges", justify="right")
    for share in shares[:SHOWN]:
        table.add_row(Text(share.name), *(f"{getattr(share, change).edges:,}" for change in CHANGES))
    table.caption = _more(len(shares))
    return table


def _more(count: int) -> str | None:
    return f"and {count - SHOWN:,} more: --json has all" if count > SHOWN else None

"""The report as Markdown for a pull request, of bounded length."""

from collections.abc import Iterable, Iterator

from pipeline.report import human_bytes
from pipeline.whatif.changes import CHANGES, Change
from pipeline.whatif.report import Report
from pipeline.whatif.words import HEADINGS, SIDES, counted, headline, remarks, verdict_of

SHOWN = 50  # rows of a table: GitHub takes 65,536 characters, GitLab more
_LONGEST = 120  # characters of a cell
_MARKS: dict[Change, str] = {"newly_denied": "⛔", "newly_allowed": "⚠️", "unknown": "❔"}


def markdown(report: Report) -> str:
    """The whole text; a table is folded, its summary says what is in it."""
    parts = [
        f"### {_cell(headline(report), 1_000)}",
        *(f"- {_cell(each, 1_000)}" for each in remarks(report)),
    ]
    parts += ("\n".join(_changes(report, change)) for change in CHANGES if report.of(change))
    if report.policies:
        parts.append("\n".join(_policies(report)))
    return "\n\n".join(parts) + "\n"


def _changes(report: Report, change: Change) -> Iterator[str]:
    lines, total = report.of(change), report.totals[change]
    figures = f"{counted(total.edges, 'edge')}, {counted(total.connections, 'connection')}"
    summary = f"{_MARKS[change]} {HEADINGS[change]}: {figures}"
    rows = (
        (
            str(line.edge) + (" (expected)" if line.allowed else ""),
            SIDES[line.direction],
            *verdict_of(line),
            f"{line.connections:,}",
            human_bytes(line.bytes),
        )
        for line in lines[:SHOWN]
    )
    columns = ("edge", "judged at", "now", "then", "connections", "bytes")
    return _folded(summary, _table(columns, rows, len(lines)))


def _policies(report: Report) -> Iterator[str]:
    rows = (
        (share.name, *(f"{getattr(share, change).edges:,}" for change in CHANGES))
        for share in report.policies[:SHOWN]
    )
    columns = ("policy", *(f"{HEADINGS[change].lower()}, edges" for change in CHANGES))
    return _folded("By policy", _table(columns, rows, len(report.policies)))


def _folded(summary: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"<details><summary>{summary}</summary>\n"
    yield from lines
    yield "\n</details>"


def _table(columns: Iterable[str], rows: Iterable[Iterable[str]], count: int) -> Iterator[str]:
    names = list(columns)
    yield _row(names)
    yield _row(["---"] * len(names))
    for row in rows:
        yield _row(_cell(cell, _LONGEST) for cell in row)
    if count > SHOWN:
        yield f"\nand {count - SHOWN:,} more: `flowtier whatif --json` has all."


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str, longest: int) -> str:
    """Text that cannot be taken for Markdown or HTML: names come from people and from the network."""
    shown = text if len(text) <= longest else f"{text[: longest - 1]}…"
    for character in "\\`*_{}[]<>|#@~!":
        shown = shown.replace(character, f"\\{character}" if character not in "<>@" else _ENTITIES[character])
    return " ".join(shown.split())


_ENTITIES = {"<": "&lt;", ">": "&gt;", "@": "&#64;"}

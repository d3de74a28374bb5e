"""The difference of two revisions as a table for people."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.diff.report import Difference, Permission

SHOWN = 4  # names in a cell
STYLES = {"gained": "+ gained", "lost": "- lost", "unclear": "? unclear"}
COLOURS = {"gained": "green", "lost": "red", "unclear": "yellow"}


def render(found: Difference, console: Console, rows: int) -> None:
    """Print the first `rows` groups, and in words what there is in all."""
    if found.permissions:
        console.print(_table(found.permissions[:rows]))
    if len(found.permissions) > rows:
        more = len(found.permissions) - rows
        console.print(f"… and {more:,} more rows: --rows {len(found.permissions)}, or --json.")
    for line in said(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def said(found: Difference) -> list[str]:
    """What there is in all, in sentences."""
    known = f"{found.workloads:,} workloads are known"
    if found.same:
        lines = [f"{found.base} and {found.head} permit the same ({known})."]
    else:
        counts = (("gain", found.gained), ("lose", found.lost), ("may gain or lose", found.unclear))
        words = [f"{count:,} {verb} a permission" for verb, count in counts if count]
        lines = [f"From {found.base} to {found.head}, of all pairs {', '.join(words)} ({known})."]
    if found.unsure:
        lines.append(f"Of {found.unsure:,} pairs some is not known under either, for lack of facts.")
    return lines


def _table(permissions: Sequence[Permission]) -> Table:
    table = Table(header_style="bold", box=None, pad_edge=False)
    for heading in ("CHANGE", "FROM", "TO", "TRAFFIC"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "CHANGE")
    is_of_both = any(6 in each.families for each in permissions)
    for each in permissions:
        families = f" IPv{each.families[0]}" if is_of_both and len(each.families) == 1 else ""
        table.add_row(
            f"[{COLOURS[each.change]}]{STYLES[each.change]}[/]",
            escape(_some(each.sources)),
            escape(_some(each.destinations)),
            escape("; ".join(map(str, each.traffic)) + families),
        )
    return table


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return "\n".join(names[:SHOWN]) + (f"\n… {more:,} more" if more > 0 else "")

"""The summary as tables for people."""

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.impact import EFFECTS, SCOPES, Effect, Summary

AGREEMENT = {
    "yes": "the same action, decided by the same rule",
    "rule": "the same action, decided by another rule",
    "action": "another action",
    "stale": "the revision changed within the flow's interval",
    "none_logged": "the node logged no policies",
}
TOP_EDGES = 3
WIDTH = 78  # so that the tables of all staged policies line up
COLOURS = {"staged_deny": "red", "staged_allow": "yellow", "staged_unknown": "magenta"}


def render(summary: Summary, console: Console) -> None:
    """Print verdict totals, one table per staged policy, and the agreement with the nodes."""
    console.print(_totals(summary))
    console.print("\nWhat each staged policy would do, promoted alone:", style="bold")
    for policy, effects in sorted(summary.staged.items()):
        console.print(_staged(policy, effects))
    if summary.agreement:
        console.print(_agreement(summary.agreement))


def _totals(summary: Summary) -> Table:
    table = Table(title="Verdicts, in flows", title_justify="left", caption_justify="left")
    for heading in ("scope", "allow", "deny", "unknown"):
        table.add_column(heading, justify="left" if heading == "scope" else "right")
    for scope in SCOPES:
        counts = summary.verdicts[scope]
        table.add_row(scope, *(f"{counts[action]:,}" for action in ("allow", "deny", "unknown")))
    changing = [impact for impact in sorted(summary.impacts) if impact != "none"]
    impacts = ", ".join(f"{summary.impacts[impact]:,} {impact.replace('_', ' ')}" for impact in changing)
    caption = [f"{summary.connections:,} connections, {human_bytes(summary.bytes)}"]
    caption += [f"if all were enforced: {impacts}"] if impacts else []
    caption += [f"unknown for want of: {_reasons(summary.unknown)}"] if summary.unknown else []
    caption += [f"not judged: {_reasons(summary.unjudged)}"] if summary.unjudged else []
    table.caption = "\n".join(caption)
    return table


def _staged(policy: str, effects: dict[str, Effect]) -> Table:
    """One staged policy, promoted alone: each effect with its totals and its largest edges."""
    table = Table(title=policy, title_justify="left", title_style="bold", min_width=WIDTH)
    table.add_column("effect and its largest edges", overflow="fold", ratio=1)
    for heading in ("edges", "connections", "bytes"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, effect in effects.items():
        if effect.edges:
            edges, connections, size = effect.totals
            why = f" for want of {_reasons(effect.reasons)}" if effect.reasons else ""
            what = Text(EFFECTS[name] + why, COLOURS[name])
            table.add_row(what, f"{edges:,}", f"{connections:,}", human_bytes(size))
            for edge, edge_connections, edge_size in effect.top(TOP_EDGES):
                table.add_row(Text(f"  {edge}"), "", f"{edge_connections:,}", human_bytes(edge_size))
    if not table.rows:
        table.add_row(Text("changes nothing that was seen", "green"), "0", "0", "0 B")
    return table


def _agreement(agreement: Counter[str]) -> Table:
    table = Table(title="Our enforced verdict against what the node logged", title_justify="left")
    table.add_column("agreement")
    table.add_column("flows", justify="right")
    table.add_column("share", justify="right")
    table.add_column("meaning")
    for kind, meaning in AGREEMENT.items():
        share = agreement[kind] / agreement.total()
        table.add_row(kind, f"{agreement[kind]:,}", f"{share:.2%}", meaning)
    return table


def _reasons(reasons: Counter[str]) -> str:
    return ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())


def human_bytes(size: int) -> str:
    """A size in the largest unit of 1,000 that leaves at least 1."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"

"""The matrix of `flowtier can-i --list` as a table: what differs by tier or kind alone stands in one row."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.table import Column, Table

from pipeline.cli.can_i_report import MatrixRow
from pipeline.policy.can_i import VERBS
from pipeline.policy.policies import MODEL_KINDS

_SHORT = {kind: short for short, kind in MODEL_KINDS.items()}  # as traces name policies
HEADINGS = ("who", "what", "tiers", "namespace", "name", "verbs")

type _Said = tuple[str, str, tuple[str, ...]]  # namespace, name, verbs


def table_of(rows: Iterable[MatrixRow]) -> Table:
    """A section for each person, group or service account."""
    table = Table(*(Column(heading, overflow="fold") for heading in HEADINGS))
    for who, theirs in groupby(rows, key=lambda row: row.who):
        shown = who
        for kinds, tiers, (namespace, name, verbs) in _merged(list(theirs)):
            cells = (
                ", ".join(_SHORT.get(kind, kind) for kind in kinds),
                ", ".join(tiers) or "-",
                namespace or "*",
                name or "*",
            )
            table.add_row(shown, *cells, _verbs(verbs))
            shown = ""
        table.add_section()
    return table


def _merged(rows: Sequence[MatrixRow]) -> Iterable[tuple[Sequence[str], Sequence[str], _Said]]:
    """Kinds and tiers of which the same is said."""
    tiers: dict[tuple[str, _Said], list[str]] = {}
    for row in rows:
        tiers.setdefault((row.kind, _said(row)), []).append(row.tier)
    kinds: dict[tuple[tuple[str, ...], _Said], list[str]] = {}
    for (kind, said), found in tiers.items():
        kinds.setdefault((tuple(filter(None, found)), said), []).append(kind)
    for (of_tiers, said), of_kinds in kinds.items():
        yield of_kinds, of_tiers, said


def _said(row: MatrixRow) -> _Said:
    return row.namespace, row.name, row.verbs


def _verbs(verbs: Sequence[str]) -> str:
    missing = [verb for verb in VERBS if verb not in verbs]
    if not missing:
        return "all"
    return f"all but {' and '.join(missing)}" if len(missing) <= 2 else ", ".join(verbs)

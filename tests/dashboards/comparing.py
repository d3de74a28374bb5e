"""Rows that a panel shows against rows that were counted."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

type Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Top:
    """All rows that there are, of which a panel shows the first `size` by a figure."""

    rows: list[Row] = field(default_factory=list)
    size: int = 0
    by: str = ""


def differences(found: Sequence[Row], expected: "Sequence[Row] | Top") -> list[str]:
    """What differs, in words; the order of rows does not count, but for which are the first."""
    if isinstance(expected, Top):
        return [*_cut_off(found, expected)]
    mine, theirs = list(map(_key, found)), list(map(_key, expected))
    return [
        *(f"shown only: {dict(each)}" for each in _less(mine, theirs)),
        *(f"counted only: {dict(each)}" for each in _less(theirs, mine)),
    ]


def _cut_off(found: Sequence[Row], top: Top) -> Iterable[str]:
    if len(found) != min(top.size, len(top.rows)):
        yield f"{len(found)} rows of {len(top.rows)}, at most {top.size}"
    yield from (f"shown only: {dict(each)}" for each in _less(map(_key, found), map(_key, top.rows)))
    figures = sorted((row[top.by] for row in top.rows), reverse=True)[: top.size]
    if sorted((row[top.by] for row in found), reverse=True) != figures:
        yield f"other rows have more {top.by}"


def _less(some: Iterable[Any], others: Iterable[Any]) -> list[Any]:
    left = list(others)
    missing = []
    for each in some:
        if each in left:
            left.remove(each)
        else:
            missing.append(each)
    return missing


def _key(row: Row) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, _plain(value)) for name, value in row.items()))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(sorted(map(str, value)))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value) if value is not None else None
    return (
        int(value) if float(value).is_integer() else float(f"{value:.6g}") if math.isfinite(value) else value
    )

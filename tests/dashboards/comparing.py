"""Rows that a panel shows against rows that were counted."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

type Row = Mapping[str, Any]


def differences(found: Iterable[Row], expected: Iterable[Row]) -> list[str]:
    """What differs, in words; the order of rows does not count."""
    shown, counted = Counter(map(_key, found)), Counter(map(_key, expected))
    return [
        *(f"shown only: {dict(each)}" for each in (shown - counted).elements()),
        *(f"counted only: {dict(each)}" for each in (counted - shown).elements()),
    ]


def _key(row: Row) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, _plain(value)) for name, value in row.items()))


def _plain(value: Any) -> Any:
    """What is equal in JSON, too; Elasticsearch keeps shares as float."""
    if isinstance(value, list | tuple):
        return tuple(sorted(str(each) for each in value))
    if isinstance(value, dict):
        return _key(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return int(value) if float(value).is_integer() else float(f"{value:.6g}")
    return str(value) if isinstance(value, bool) else value

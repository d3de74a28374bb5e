"""Domain patterns of rules and network sets: which of them a set of names satisfies."""

import re
from collections.abc import Iterable
from functools import lru_cache


@lru_cache(maxsize=65536)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(r"[^.]+(?:\.[^.]+)*".join(re.escape(part) for part in pattern.lower().split("*")))


def satisfied(patterns: Iterable[str], names: Iterable[str]) -> frozenset[str]:
    """The patterns that match one of the names; `*` stands for one or more whole labels."""
    lowered = [name.lower().rstrip(".") for name in names]
    return frozenset(p for p in patterns if any(_expression(p).fullmatch(name) for name in lowered))


def possible(patterns: Iterable[str], bound: int) -> frozenset[frozenset[str]] | None:
    """Every set of patterns that some set of names satisfies; None where there are more than `bound`.

    A name that fits one pattern and whatever else follows from that is `*` read as a label that
    stands in no pattern; a set of names satisfies what its names satisfy together.
    """
    listed = tuple(patterns)
    reached: set[frozenset[str]] = {frozenset()}
    for pattern in listed:
        one = satisfied(listed, [pattern.replace("*", "any-label")])
        reached |= {have | one for have in reached}
        if len(reached) > bound:
            return None
    return frozenset(reached)

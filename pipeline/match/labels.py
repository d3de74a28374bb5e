"""Selectors over labels: which hold for a known set of labels, and how an open one can be completed."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import combinations, product
from math import prod

from pipeline.identity import Identity
from pipeline.match.verdict import TooMany
from pipeline.policy.selector import Atom, Selector

# Stands in no manifest's label value, so it joins parts without making a new match across the seam.
SEAM = "\x00"
MAX_CONTAINS = 6

# Labels of which a selector needs one to be true; value None = any value.
type Needed = tuple[tuple[str, str | None], ...]


class SelectorIndex:
    """All selectors of a revision, found by a label that each of them cannot be true without."""

    def __init__(self, selectors: Iterable[Selector]) -> None:
        self.selectors = tuple(dict.fromkeys(selectors))
        self._by_label: defaultdict[tuple[str, str | None], list[int]] = defaultdict(list)
        self._unindexed: list[int] = []
        for number, selector in enumerate(self.selectors):
            ways = needed(selector)
            if not ways:
                self._unindexed.append(number)
                continue
            for label in ways[0] if len(ways) == 1 else self._least_crowded(ways):
                self._by_label[label].append(number)
        self._by_key: defaultdict[str, set[int]] = defaultdict(set)
        for (key, _), numbers in self._by_label.items():
            self._by_key[key].update(numbers)

    def _least_crowded(self, ways: tuple[Needed, ...]) -> Needed:
        crowds = [sum([len(self._by_label[label]) for label in way]) for way in ways]
        return ways[crowds.index(min(crowds))]

    def holding(self, labels: Mapping[str, str]) -> tuple[Selector, ...]:
        """The selectors that hold for these labels, always in the same order."""
        found = map(self.selectors.__getitem__, sorted(self._possible(labels)))
        return tuple(selector for selector in found if selector.matches(labels))

    def _possible(self, labels: Mapping[str, str]) -> set[int]:
        """The numbers of the selectors that do not lack a label which they need."""
        numbers = set(self._unindexed)
        for key, value in labels.items():
            numbers.update(self._by_label.get((key, value), ()), self._by_label.get((key, None), ()))
        return numbers

    def completions(self, identity: Identity, bound: int) -> list[Mapping[str, str]]:
        """Every way to complete open labels that some selector can tell from the others.

        Raises TooMany where there are more than `bound`.
        """
        labels = dict(identity.labels)
        if not identity.open_prefixes:
            return [labels]

        def is_open(key: str) -> bool:
            return key not in labels and identity.is_open(key)

        possible = self._possible(labels)
        for key, numbers in self._by_key.items():
            if is_open(key):
                possible |= numbers
        atoms: defaultdict[str, list[Atom]] = defaultdict(list)
        for selector in map(self.selectors.__getitem__, sorted(possible)):
            if selector.decide(labels, is_open) is None:
                for atom in selector.atoms():
                    if is_open(atom.key):
                        atoms[atom.key].append(atom)
        values = {key: representatives(found) for key, found in atoms.items()}
        if prod(map(len, values.values())) > bound:
            raise TooMany
        return [
            labels | {key: value for key, value in zip(values, chosen, strict=True) if value is not None}
            for chosen in product(*values.values())
        ]


@lru_cache(maxsize=1 << 17)  # from revision to revision, most selectors stay
def needed(selector: Selector) -> tuple[Needed, ...]:
    """Sets of labels of which a selector needs one to be true; value None = any value."""
    return tuple(_needed(selector))


def _needed(selector: Selector) -> Iterator[Needed]:
    for key in sorted(selector.keys()):
        atoms = [atom for atom in selector.atoms() if atom.key == key]
        if selector.decide({}, lambda other, key=key: other != key) is not False:  # type: ignore[misc]
            continue
        if all(atom.op in ("==", "!=", "in", "not in", "has") for atom in atoms):
            values = [value for value in representatives(atoms) if value is not None]
            possible = [v for v in values if selector.decide({key: v}, lambda _: True) is not False]
            if SEAM not in possible:
                yield tuple((key, value) for value in possible)
                continue
        yield ((key, None),)


def representatives(atoms: Iterable[Atom]) -> tuple[str | None, ...]:
    """Values of one label, absent (None) included, among which every combination of truths of
    these comparisons occurs that can occur at all.

    Beside the literals themselves: any true prefixes, infixes and suffixes can be true together in
    prefix + infixes + suffix, joined by SEAM so that nothing else becomes true across the joints.
    """
    literals: set[str] = set()
    parts: dict[str, set[str]] = {"starts with": set(), "contains": set(), "ends with": set()}
    for atom in atoms:
        parts.get(atom.op, literals).update(atom.values)
    if len(parts["contains"]) > MAX_CONTAINS:
        raise TooMany
    infixes = [
        c for n in range(len(parts["contains"]) + 1) for c in combinations(sorted(parts["contains"]), n)
    ]
    joined = (
        start + SEAM + "".join(part + SEAM for part in middle) + end
        for start in ("", *sorted(parts["starts with"]))
        for middle in infixes
        for end in ("", *sorted(parts["ends with"]))
    )
    return (None, *dict.fromkeys((*sorted(literals), *joined)))

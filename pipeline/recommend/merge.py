"""Three-way merge of a manifest by what it says: what the recommender changed comes in, what a person changed
stays, and where both changed the same, that is a conflict with a name."""

from typing import Any

import yaml

from pipeline.recommend.alike import alike
from pipeline.recommend.render import to_line
from pipeline.recommend.rewrite import LayoutError, rewrite

_SHOWN = 120  # characters of a value
_NOT_YAML = "it is not YAML of one policy"
_ABSENT: Any = object()


class MergeError(ValueError):
    """A text that stays as it is; `reasons` says why, with the fields and rules."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def merge(base: str, ours: str, theirs: str) -> str:
    """The text that a person made of `base`, with what `theirs` changed in it. Raises MergeError."""
    try:
        return _merge(base, ours, theirs)
    except MergeError:
        raise
    except LayoutError as error:
        raise MergeError(str(error)) from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise MergeError(f"{line}{_NOT_YAML}: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # the last: of dates and long numbers
        raise MergeError(f"{_NOT_YAML}: {' '.join(str(error).split())}") from None


def _merge(base: str, ours: str, theirs: str) -> str:
    said = yaml.safe_load(ours)
    if not isinstance(said, dict):
        raise MergeError(_NOT_YAML)
    merging = _Merging()
    merged = merging.value("", yaml.safe_load(base), said, yaml.safe_load(theirs))
    if merging.conflicts:
        raise MergeError(*merging.conflicts)
    return ours if merged == said else rewrite(ours, merged)


class _Merging:
    """Collects conflicts on its way through the manifests; where there is one, the person's value stays."""

    def __init__(self) -> None:
        self.conflicts: list[str] = []

    def value(self, path: str, base: Any, ours: Any, theirs: Any) -> Any:
        if theirs in (base, ours):
            return ours
        if ours == base:
            return theirs
        if base is _ABSENT:
            base = _begun(ours, theirs)
        merged = _ABSENT
        if all(isinstance(each, dict) for each in (base, ours, theirs)):
            merged = self._mapping(path, base, ours, theirs)
        elif all(isinstance(each, list) for each in (base, ours, theirs)):
            merged = self._items(path, base, ours, theirs)
        # No ports are all ports, no peer is everyone: nobody wanted that.
        if merged is not _ABSENT and (merged or not (ours and theirs)):
            return merged
        by = f"{_words(ours)} by hand, {_words(theirs)} recommended, {_words(base)} before"
        self.conflicts.append(f"{path or 'the manifest'}: {by}")
        return ours

    def _mapping(
        self, path: str, base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]
    ) -> dict[str, Any]:
        merged = {}
        for name in _together(list(ours), list(theirs)):
            inner = f"{path}.{name}" if path else str(name)
            sides = (each.get(name, _ABSENT) for each in (base, ours, theirs))
            value = self.value(inner, *sides)
            if value is not _ABSENT:
                merged[name] = value
        return merged

    def _items(self, path: str, base: list[Any], ours: list[Any], theirs: list[Any]) -> list[Any]:
        """Items are who they are by content; a rule of which a side changed the ports is the same rule."""
        by_hand, recommended = _changes(base, ours), _changes(base, theirs)
        merged = []
        for item in ours:
            before = next((old for old, new in by_hand if new == item), item)
            after = next((new for old, new in recommended if old == before), _ABSENT)
            if before not in base or before in theirs:
                merged.append(item)
            elif item == before and (after is _ABSENT or after in ours):
                continue  # withdrawn
            elif after is not _ABSENT:
                merged.append(self.value(f"{path}: rule {_words(before)}", before, item, after))
            else:
                self.conflicts.append(
                    f"{path}: {_words(item)} by hand, no longer recommended: {_words(before)}"
                )
        kept = [*ours, *(old for old, _ in by_hand)]
        for old, new in recommended:
            if old not in kept and new not in ours:
                self.conflicts.append(f"{path}: removed by hand: {_words(old)}; recommended: {_words(new)}")
        expected = [*base, *(new for _, new in recommended)]
        return _together(merged, theirs, leave_out=expected)


def _begun(ours: Any, theirs: Any) -> Any:
    """What both began with where neither found it: a mapping, a list of rules."""
    if isinstance(ours, dict):
        return {}
    both = [*ours, *theirs] if isinstance(ours, list) and isinstance(theirs, list) else [None]
    return [] if all(isinstance(each, dict) for each in both) else _ABSENT


def _changes(base: list[Any], side: list[Any]) -> list[tuple[Any, Any]]:
    """Rules of the base that a side has changed, with what they are there."""
    new = [item for item in side if item not in base]
    changes = []
    for old in base:
        if old not in side and (found := next((each for each in new if alike(old, each)), None)) is not None:
            new.remove(found)
            changes.append((old, found))
    return changes


def _together(first: list[Any], second: list[Any], leave_out: list[Any] = []) -> list[Any]:  # noqa: B006
    """The first in its order, with what only the second has, each behind the one that it follows there."""
    together, place = list(first), 0
    for number, item in enumerate(second):
        if item in together:
            place = together.index(item) + 1
        elif item not in leave_out:
            if not place:  # nothing of what stands before it is there
                following = (together.index(each) for each in second[number:] if each in together)
                place = next(following, len(together))
            together.insert(place, item)
            place += 1
    return together


def _words(value: Any) -> str:
    if value is _ABSENT:
        return "nothing"
    line = value if isinstance(value, str) else to_line(value)
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"

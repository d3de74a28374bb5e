"""Staged policies in files ▸ their enforced twins, with everything that is not touched left as it is."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Literal, NamedTuple

import yaml

from pipeline.policy.edit_files import Text, Written, policies_in
from pipeline.policy.edit_layout import Edit, EditError, Layout, entry
from pipeline.policy.edit_spec import put_spec
from pipeline.policy.edit_staged import enforced, enforced_names, left_out
from pipeline.policy.policies import PolicyKey

type Word = Literal["created", "replaced", "deleted", "already", "left out", "refused"]

_ITEM = 2  # parts of the location of what a List holds
_NOT_ACCEPTED = {
    "Learn": "its stagedAction is Learn, it is still being learned: set it to Set to accept it",
    "Ignore": "its stagedAction is Ignore, it was dismissed: set it to Set to accept it after all",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one staged policy, in which file, and why where it is refused or left out."""

    policy: PolicyKey
    word: Word
    file: str
    reason: str = ""


class Enforced(NamedTuple):
    """The files that change, None where one holds nothing any more, and what became of each policy."""

    files: dict[str, bytes | None]
    outcomes: tuple[Outcome, ...]


class UnknownPolicyError(EditError):
    """A name of no staged policy; the message says which there are."""


def enforce(files: Mapping[str, bytes], chosen: Iterable[PolicyKey] | None = None) -> Enforced:
    """Put the enforced twin in the place of each chosen staged policy; None chooses all, but for those that
    are not accepted.

    `files` are manifests that load without a problem. The spec takes the place of the twin's where there is
    one, and the manifest is renamed where it stands where there is none; `stagedAction: Delete` takes the
    twin away. Where one policy is refused, no file changes.

    Raises UnknownPolicyError, and EditError where a file cannot be read as a text.
    """
    before = {name: _text(name, content) for name, content in files.items()}
    there = {each.key: each for each in policies_in(before)}
    steps = [_step(key, there) for key in _chosen(there, chosen)]
    refused: dict[PolicyKey, str] = {}
    named = before | _edited(_names(before, steps, refused), before, refused)
    after = named | _edited(_places(named, steps, refused), named, refused)
    outcomes = (_outcome(step, refused, strict=chosen is not None) for step in steps)
    result = Enforced({}, tuple(sorted(outcomes, key=lambda each: each.policy)))
    if any(each.word == "refused" for each in result.outcomes):
        return result
    changed = {name: after[name].content() for name in files if after[name] is not before[name]}
    return result._replace(files=changed)


class _Step(NamedTuple):
    policy: PolicyKey
    word: Word
    staged: Written | None
    twin: Written | None
    reason: str = ""


@dataclass(slots=True)
class _Change:
    """The edits of one file, what it is to say then, and the policies that they are for."""

    edits: list[Edit]
    expected: list[Any]
    policies: list[PolicyKey]


def _text(name: str, content: bytes) -> Text:
    try:
        return Text(content)
    except EditError as error:
        raise EditError(f"{name}: {error}") from None


def _chosen(there: Collection[PolicyKey], chosen: Iterable[PolicyKey] | None) -> list[PolicyKey]:
    staged = sorted(key for key in there if key.staged)
    if chosen is None:
        return staged
    wanted = list(dict.fromkeys(chosen))
    for key in wanted:
        if not key.staged or (key not in there and key.twin not in there):
            names = ", ".join(map(str, staged[:10])) or "none"
            raise UnknownPolicyError(f"{key}: there is no staged policy of that name; there are: {names}")
    return wanted


def _step(key: PolicyKey, there: Mapping[PolicyKey, Written]) -> _Step:
    staged, twin = there.get(key), there.get(key.twin)
    if staged is None:
        return _Step(key, "already", None, twin)
    action = (staged.data.get("spec") or {}).get("stagedAction") or "Set"
    if action in _NOT_ACCEPTED:
        return _Step(key, "refused", staged, twin, _NOT_ACCEPTED[action])
    return _Step(key, "deleted" if action == "Delete" else "replaced" if twin else "created", staged, twin)


def _outcome(step: _Step, refused: Mapping[PolicyKey, str], *, strict: bool) -> Outcome:
    word, place = step.word, step.staged if step.word == "created" else step.twin or step.staged
    file, reason = place.file if place else "", step.reason
    if step.policy in refused:
        word, reason, file = "refused", refused[step.policy], step.staged.file if step.staged else file
    elif word == "refused" and not strict:
        word = "left out"
    return Outcome(step.policy, word, file, reason)


def _edited(
    changes: Mapping[str, _Change], texts: Mapping[str, Text], refused: dict[PolicyKey, str]
) -> dict[str, Text]:
    edited = {}
    for name, change in changes.items():
        try:
            edited[name] = texts[name].edited(change.edits, change.expected)
        except EditError as error:
            for policy in change.policies:  # what is refused already has the better reason
                refused.setdefault(policy, f"{name}: {error}")
    return edited


class _Changes(dict[str, _Change]):
    """By file, each begun when it is first asked for."""

    def __init__(self, texts: Mapping[str, Text]) -> None:
        super().__init__()
        self._texts = texts

    def __missing__(self, name: str) -> _Change:
        self[name] = _Change([], deepcopy(self._texts[name].data), [])
        return self[name]


def _names(texts: Mapping[str, Text], steps: Iterable[_Step], refused: dict[PolicyKey, str]) -> _Changes:
    """Every staged manifest that goes on called as its twin, without what only a staged one has."""
    changes = _Changes(texts)
    for step in steps:
        if step.staged is None or step.word not in ("created", "replaced"):
            continue
        try:
            edits = list(_named(texts[step.staged.file].layout, step.staged))
        except EditError as error:
            refused[step.policy] = f"{step.staged.file}: {error}"
            continue
        change = changes[step.staged.file]
        change.edits += edits
        change.policies.append(step.policy)
        _put(change.expected, step.staged, enforced)
    return changes


def _named(layout: Layout, staged: Written) -> Iterator[Edit]:
    number, location = staged.number, staged.location
    layout.node(number, location)  # no aliases in any of it
    for field, name in enforced_names(staged.data).items():
        node = layout.node(number, (*location, field))
        quote = node.style if node.style in ("'", '"') else ""
        yield Edit(node.start_mark.index, layout.end(node), f"{quote}{name}{quote}")
    for around, fields in groupby(left_out(staged.data), lambda field: field[:-1]):
        mapping = layout.node(number, (*location, *around))
        names = {str(field[-1]) for field in fields}
        if len(names) < len(mapping.value):
            yield from layout.without_entries(mapping, names)
        else:
            holder, name = layout.node(number, (*location, *around[:-1])), str(around[-1])
            yield _emptied(layout, holder, name)


def _emptied(layout: Layout, holder: Any, name: str) -> Edit:
    found = entry(holder, name)
    if found is None:
        raise EditError(f"{layout.line_of(holder)}: {name} is not written there: write it out")
    key, value = found
    if value.flow_style:
        return Edit(value.start_mark.index, layout.end(value), "{}")
    return Edit(layout.text.index(":", key.end_mark.index) + 1, layout.end(value), " {}")


def _places(texts: Mapping[str, Text], steps: Iterable[_Step], refused: dict[PolicyKey, str]) -> _Changes:
    """Specs in the place of their twins', and what is not there any more taken away."""
    changes = _Changes(texts)
    gone: defaultdict[str, list[Written]] = defaultdict(list)
    for step in steps:
        if step.policy in refused or step.staged is None or step.word not in ("replaced", "deleted"):
            continue
        gone[step.staged.file].append(step.staged)
        changes[step.staged.file].policies.append(step.policy)
        if step.twin is None:
            continue
        changes[step.twin.file].policies.append(step.policy)
        if step.word == "deleted":
            gone[step.twin.file].append(step.twin)
            continue
        try:
            changes[step.twin.file].edits.append(_put_spec(texts, step.staged, step.twin))
        except EditError as error:
            refused[step.policy] = f"{step.twin.file}: {error}"
        spec = {"spec": enforced(step.staged.data).get("spec") or {}}
        _put(changes[step.twin.file].expected, step.twin, partial(dict, **spec))
    for name, written in gone.items():
        try:
            changes[name].edits += _without(texts[name].layout, written, changes[name].expected)
        except EditError as error:
            for policy in changes[name].policies:
                refused.setdefault(policy, f"{name}: {error}")
    return changes


def _put_spec(texts: Mapping[str, Text], staged: Written, twin: Written) -> Edit:
    source, target = texts[staged.file].layout, texts[twin.file].layout
    found = entry(source.node(staged.number, staged.location), "spec")
    given = found[1] if found and isinstance(found[1], yaml.MappingNode) else None
    mapping = target.node(twin.number, twin.location)
    return put_spec(source, given, target, mapping, enforced(staged.data).get("spec") or {})


def _put(data: list[Any], written: Written, change: Callable[[Any], Any]) -> None:
    if not written.location:
        data[written.number] = change(data[written.number])
        return
    value: Any = data[written.number]
    for part in written.location[:-1]:
        value = value[part]
    value[written.location[-1]] = change(value[written.location[-1]])


def _without(layout: Layout, gone: Iterable[Written], expected: list[Any]) -> Iterator[Edit]:
    """The edits that take the policies away, and what is expected without them."""
    items: defaultdict[int, list[int]] = defaultdict(list)
    for each in gone:
        if len(each.location) > _ITEM:
            raise EditError(f"{each.key} stands in a List within a List: write it as a document of its own")
        items[each.number] += [int(index) for index in each.location[1:]]
    for number, places in items.items():
        if not places or len(places) == len(expected[number]["items"]):
            yield layout.without_document(number)
            expected[number] = None
            continue
        yield from layout.without_items(layout.node(number, ("items",)), sorted(places))
        kept = [item for place, item in enumerate(expected[number]["items"]) if place not in places]
        expected[number]["items"] = kept

"""Mistakes that have one right answer, put right in the text: all else of it stays as it is."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address, ip_network
from re import findall
from typing import Any

from pydantic import ValidationError

from pipeline.check.lints.writing import addresses, unmasked
from pipeline.policy.edit_files import Text
from pipeline.policy.edit_layout import Edit, EditError, Layout, entry
from pipeline.policy.problems import Location, path
from pipeline.policy.resources import CALICO, STORAGE, Document, Kind, find
from pipeline.policy.schema import Model
from pipeline.policy.schema_fields import PROTOCOLS
from pipeline.policy.yaml_lines import TextError

MAPS_OF_TEXTS = ("labels", "annotations", "matchLabels")
PASSES = 5  # what is right then may let another mistake be seen


@dataclass(frozen=True, slots=True)
class Correction:
    """What was put in the place of what, in which line (from 1) and field."""

    line: int
    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class _Answer:
    """The one right value at a location; `new_key`: of the key there; None: what is written, as a text."""

    location: Location
    value: str | None = None
    new_key: bool = False


def corrected(content: bytes) -> tuple[bytes, list[Correction]]:
    """The text with its mistakes put right, and what that was; a text that cannot be edited is left alone.

    Right are: the served API version for the stored one, the exact word for one that differs in upper and
    lower case only, quotes around a label's number or boolean, a mask for an address in a rule's nets that
    does not look like a network's, no bits beyond the prefix of a Kubernetes policy's network.
    """
    done: list[Correction] = []
    for _ in range(PASSES):
        try:
            content, more = _once(content)
        except (EditError, TextError):
            break
        if not more:
            break
        done += more
    return content, done


def _once(content: bytes) -> tuple[bytes, list[Correction]]:
    text = Text(content)
    expected = deepcopy(text.data)
    edits: dict[Edit, Correction] = {}
    for number, document in enumerate(text.data):
        for around, manifest in _manifests((), document):
            for answer in _answers(manifest):
                place = (*around, *answer.location)
                edit = _edit(text.layout, number, place, answer)
                after = edit.text.strip("\"'")
                start = text.layout.text.count("\n", 0, edit.start) + 1
                before = text.text[edit.start : edit.end]
                edits[edit] = Correction(start, path(place), before, edit.text)
                _put(expected, (number, *place), after, new_key=answer.new_key)
    if not edits:
        return content, []
    return text.edited(edits, expected).content() or content, list(edits.values())


def _manifests(location: Location, data: Any) -> Iterator[tuple[Location, Document]]:
    if not isinstance(data, dict):
        return
    items = data.get("items")
    if str(data.get("kind")).endswith("List") and isinstance(items, list):
        for index, item in enumerate(items):
            yield from _manifests((*location, "items", index), item)
    else:
        yield location, data


def _answers(data: Document) -> Iterator[_Answer]:
    kind = find(str(data.get("apiVersion")), str(data.get("kind")))
    if kind is None or "metadata" not in data:
        return
    if data["apiVersion"] == f"{STORAGE}/v1":
        yield _Answer(("apiVersion",), kind.api_version)
    try:
        kind.schema.model_validate(data)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            yield from _answer(data, kind, details)
    else:
        if kind.role == "policy" and "spec" in data:
            yield from _masks(data["spec"], kind)


def _masks(spec: Document, kind: Kind) -> Iterator[_Answer]:
    kubernetes_own = kind.group != CALICO or kind.name == "StagedKubernetesNetworkPolicy"
    for location, text in unmasked(spec) if kubernetes_own else ():
        yield _Answer(("spec", *location), str(ip_network(text, strict=False)))
    for location, text in addresses(spec) if not kubernetes_own else ():
        address = ip_address(text)
        if int(address) % (1 << 8 if address.version == 4 else 1 << 16):  # else it may be meant as a network
            yield _Answer(("spec", *location), f"{text}/{address.max_prefixlen}")


def _answer(data: Document, kind: Kind, details: Any) -> Iterator[_Answer]:
    location: Location = details["loc"]
    given = details["input"]
    match details["type"]:
        case "string_type" if len(location) > 1 and location[-2] in MAPS_OF_TEXTS:
            if isinstance(given, bool | int | float):
                yield _Answer(location)
        case "literal_error" if isinstance(given, str):
            yield from _exact(location, given, findall(r"'([^']*)'", details["ctx"]["expected"]))
        case "value_error" if location[-1] in ("protocol", "notProtocol") and isinstance(given, str):
            yield from _exact(location, given, list(PROTOCOLS))
        case "extra_forbidden":
            names = [name for name in _field_names() if name not in _at(data, location[:-1])]
            for answer in _exact(location, str(location[-1]), names):
                if answer.value and _is_field(data, kind, location, answer.value):
                    yield _Answer(location, answer.value, new_key=True)
        case _:
            pass


def _is_field(data: Document, kind: Kind, location: Location, name: str) -> bool:
    """Whether a field of that name may stand there."""
    renamed = deepcopy(data)
    _put(renamed, location, name, new_key=True)
    try:
        kind.schema.model_validate(renamed)
    except ValidationError as error:
        there = (*location[:-1], name)
        return all(each["loc"] != there or each["type"] != "extra_forbidden" for each in error.errors())
    return True


def _exact(location: Location, given: str, words: list[str]) -> Iterator[_Answer]:
    """The word that differs from what is given in upper and lower case only."""
    found = [word for word in words if word.lower() == given.lower()]
    if len(found) == 1 and found[0] != given:
        yield _Answer(location, found[0])


@cache
def _field_names() -> tuple[str, ...]:
    """The names of all fields of any manifest."""

    def below(model: type[Model]) -> Iterator[type[Model]]:
        yield model
        for each in model.__subclasses__():
            yield from below(each)

    fields = (item for model in below(Model) for item in model.model_fields.items())
    return tuple(dict.fromkeys(field.alias or name for name, field in fields))


def _edit(layout: Layout, number: int, place: Location, answer: _Answer) -> Edit:
    if answer.new_key:
        found = entry(layout.node(number, place[:-1]), str(place[-1]))
        assert found  # the field that is refused is written
        node, end = found[0], int(found[0].end_mark.index)
    else:
        node = layout.node(number, place)
        end = layout.end(node)
    if answer.value is None:
        return Edit(node.start_mark.index, end, f'"{layout.text[node.start_mark.index : end]}"')
    if node.style not in (None, "", "'", '"'):
        raise EditError(f"{layout.line_of(node)}: is written over several lines")
    quote = node.style or ""
    return Edit(node.start_mark.index, end, f"{quote}{answer.value}{quote}")


def _at(data: Any, location: Location) -> Any:
    for part in location:
        data = data[part]
    return data


def _put(data: Any, location: Location, value: str, *, new_key: bool) -> None:
    holder, last = _at(data, location[:-1]), location[-1]
    if new_key:
        holder[value] = holder.pop(last)
    else:
        holder[last] = value

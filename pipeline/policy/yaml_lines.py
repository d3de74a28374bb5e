"""YAML and JSON texts as plain data that still knows its lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import orjson
import yaml

from pipeline.policy.problems import Location
from pipeline.policy.yaml_plain import MAX_DEPTH, plain_documents
from pipeline.policy.yaml_scalars import key_of, plain

MAX_ALIASED = 100_000  # values in one text, once its aliases are written out
STRING_TAG = "tag:yaml.org,2002:str"


class TextError(ValueError):
    """A text that is no YAML, or not of the kind that a manifest may be; `line` counts from 1."""

    def __init__(self, line: int, reason: str, location: Location = ()) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason
        self.location = location


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that YAML lets pass and a manifest may not hold."""

    line: int
    location: Location
    reason: str


@dataclass(slots=True)
class Value:
    """A piece of a YAML document: its plain data, its line, the pieces in it, and how many in all.
    The `flaws` of a document stand at its root."""

    data: Any
    line: int
    parts: Mapping[str | int, "Value"] = field(default_factory=dict)
    size: int = 1
    flaws: Sequence[Flaw] = ()

    def part(self, key: str | int) -> "Value":
        """A piece right inside."""
        return self.parts[key]

    def line_of(self, location: Location) -> int:
        """The line of what stands at the location, or else of the nearest thing around it."""
        value = self
        for part in location:
            if part not in value.parts:
                break
            value = value.parts[part]
        return value.line


class Lined(Protocol):
    """Knows where pieces of a document stand."""

    def line_of(self, location: Location) -> int:
        """The line of what stands at the location, or else of the nearest thing around it."""


@dataclass(slots=True)
class PlainValue:
    """A piece of a document that holds nothing unusual."""

    data: Any
    whole: Lined
    place: Location = ()
    flaws: Sequence[Flaw] = ()

    def part(self, key: str | int) -> "PlainValue":
        """A piece right inside."""
        return PlainValue(self.data[key], self.whole, (*self.place, key))

    def line_of(self, location: Location) -> int:
        """The line of what stands at the location, or else of the nearest thing around it."""
        return self.whole.line_of((*self.place, *location))


@dataclass
class _Json:
    """A JSON text, read a second time as YAML when somebody asks for a line."""

    text: bytes

    def line_of(self, location: Location) -> int:
        return self._document.line_of(location)

    @cached_property
    def _document(self) -> Value:
        try:
            return next(_yaml(self.text))
        except TextError as error:
            return Value(None, error.line)


type Item = Value | PlainValue


def documents(text: bytes) -> Iterator[Item]:
    """The documents of a YAML stream, or the one of a JSON text; raises TextError."""
    if text.lstrip()[:1] in (b"{", b"["):
        try:
            return iter([PlainValue(orjson.loads(text), _Json(text))])
        except orjson.JSONDecodeError:  # several documents, or YAML in brackets, or wrong: YAML says where
            return _yaml(text)
    found = plain_documents(text)
    return _yaml(text) if found is None else (PlainValue(each.data, each) for each in found)


def _yaml(text: bytes) -> Iterator[Value]:
    if text.lstrip()[:1] in (b"{", b"["):
        text = text.replace(b"\t", b" ")  # JSON may be indented by tabs, YAML not; no string holds a bare one
    try:
        yield from _Reader(text).documents()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise TextError(mark.line + 1 if mark else 1, f"is no YAML: {_cause(error)}") from None


def _cause(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)


class _Reader:
    """Builds values from the events of libyaml."""

    def __init__(self, text: bytes) -> None:
        self.loader = yaml.CSafeLoader(text)
        self.anchors: dict[str, Value | None] = {}
        self.flaws: list[Flaw] = []
        self.aliased = 0

    def documents(self) -> Iterator[Value]:
        while not self.loader.check_event(yaml.StreamEndEvent):
            event = self.loader.get_event()
            if isinstance(event, yaml.DocumentStartEvent):
                self.anchors, self.flaws = {}, []
                document = self.value(self.loader.get_event(), ())
                document.flaws = self.flaws
                yield document

    def value(self, event: Any, location: Location) -> Value:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self.alias(str(event.anchor), line, location)
        if event.anchor:
            self.anchors[event.anchor] = None
        if len(location) > MAX_DEPTH:
            raise TextError(line, f"is nested more than {MAX_DEPTH} levels deep", location[:3])
        if isinstance(event, yaml.ScalarEvent):
            value = Value(self.scalar(event, line, location), line)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self.sequence(line, location)
        else:
            value = self.mapping(line, location)
        if event.anchor:
            self.anchors[event.anchor] = value
        return value

    def alias(self, anchor: str, line: int, location: Location) -> Value:
        value = self.anchors.get(anchor)
        if value is None:
            raise TextError(line, f"alias *{anchor} names no anchor before it, or itself", location)
        self.aliased += value.size
        if self.aliased > MAX_ALIASED:
            raise TextError(line, f"aliases stand for more than {MAX_ALIASED} values", location)
        return value

    def sequence(self, line: int, location: Location) -> Value:
        items: list[Value] = []
        while not isinstance(event := self.loader.get_event(), yaml.SequenceEndEvent):
            items.append(self.value(event, (*location, len(items))))
        size = 1 + sum(item.size for item in items)
        return Value([item.data for item in items], line, dict(enumerate(items)), size)

    def mapping(self, line: int, location: Location) -> Value:
        parts: dict[str | int, Value] = {}
        merged: dict[str | int, Value] = {}
        while not isinstance(event := self.loader.get_event(), yaml.MappingEndEvent):
            written = self.value(event, location)
            key = key_of(written.data)
            value = self.value(self.loader.get_event(), (*location, key))
            if key == "<<":
                merged |= self.merge(value, location)
            elif key in parts:
                reason = f"duplicate key, first in line {parts[key].line}"
                self.flaws.append(Flaw(written.line, (*location, key), reason))
            else:
                parts[key] = Value(value.data, written.line, value.parts, value.size)
        parts = merged | parts
        size = 1 + sum(part.size for part in parts.values())
        return Value({key: part.data for key, part in parts.items()}, line, parts, size)

    def merge(self, value: Value, location: Location) -> dict[str | int, Value]:
        sources = list(value.parts.values()) if isinstance(value.data, list) else [value]
        merged: dict[str | int, Value] = {}
        for source in sources:
            if isinstance(source.data, dict):
                merged = {**source.parts, **merged}
            else:
                self.flaws.append(Flaw(value.line, location, "<< takes a mapping, or a list of them"))
        return merged

    def scalar(self, event: yaml.ScalarEvent, line: int, location: Location) -> object:
        text: str = event.value
        if event.tag and event.tag not in ("!", STRING_TAG):
            self.flaws.append(Flaw(line, location, f"tag {event.tag} is not understood in a manifest"))
        if event.tag or not event.implicit[0]:
            return text
        return plain(text)

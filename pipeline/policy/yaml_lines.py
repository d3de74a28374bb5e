"""YAML and JSON texts as plain data that still knows its lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from re import compile as regex
from types import MappingProxyType
from typing import Any

import orjson
import yaml

from pipeline.policy.problems import Location

MAX_DEPTH = 100
MAX_ALIASED = 100_000  # values in one text, once its aliases are written out
NOTHING: Mapping[Any, Any] = MappingProxyType({})
NULLS = dict.fromkeys(("", "~", "null", "Null", "NULL"))
TRUE = dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True)
FALSE = dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False)
CONSTANTS: dict[str, bool | None] = {**NULLS, **TRUE, **FALSE}
INTEGER = regex(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)\Z")
FLOAT = regex(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
OCTAL = regex(r"[-+]?0[0-7]+\Z")
MAX_DIGITS = 18  # more do not fit in 64 bits and are read as a float
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
    parts: Mapping[str | int, "Value"] = NOTHING
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


@dataclass(slots=True)
class JsonValue:
    """A piece of a JSON document, which is read a second time when somebody asks for a line."""

    data: Any
    whole: "_Whole"
    place: Location = ()
    flaws: Sequence[Flaw] = ()

    def part(self, key: str | int) -> "JsonValue":
        """A piece right inside."""
        return JsonValue(self.data[key], self.whole, (*self.place, key))

    def line_of(self, location: Location) -> int:
        """The line of what stands at the location, or else of the nearest thing around it."""
        return self.whole.lines.line_of((*self.place, *location))


@dataclass
class _Whole:
    text: bytes

    @cached_property
    def lines(self) -> Value:
        try:
            return next(_yaml(self.text))
        except TextError as error:
            return Value(None, error.line)


def documents(text: bytes) -> Iterator[Value] | Iterator[JsonValue]:
    """The documents of a YAML stream, or the one of a JSON text; raises TextError. Scalars are read as
    kubectl does: no dates and no base 60, so that `10:20` is a range of ports."""
    if text.lstrip()[:1] in (b"{", b"["):
        try:
            return iter([JsonValue(orjson.loads(text), _Whole(text))])
        except orjson.JSONDecodeError:  # several documents, or YAML in brackets, or wrong: YAML says where
            pass
    return _yaml(text)


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
            key = _key(written.data)
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
        return _plain(text)


def _key(data: object) -> str:
    """A key as kubectl takes it: whatever it is, as a string."""
    return str(data).lower() if isinstance(data, bool) else str(data)


def _plain(text: str) -> object:
    """What a scalar without quotes is."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    number = text.replace("_", "")
    if INTEGER.match(text) and len(number) <= MAX_DIGITS:
        return int(number, 8 if OCTAL.match(number) else 0)
    return float(number) if FLOAT.match(text) else text

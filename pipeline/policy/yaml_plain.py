"""YAML texts that hold nothing unusual, read in half the time that flaws and aliases take."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from yaml import (
    AliasEvent,
    CSafeLoader,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    YAMLError,
)

from pipeline.policy.problems import Location
from pipeline.policy.yaml_scalars import key_of, plain

MAX_DEPTH = 100


class _Unusual(Exception):  # noqa: N818  # nothing need be wrong with it
    """An alias, anchor, tag, merge, duplicate key, key that is no scalar, or depth: needs a closer look."""


@dataclass(slots=True)
class Plain:
    """A document; of its values, in the order of the text, the lines (from 1; a field stands at its key), and
    how many each is with all inside of it."""

    data: Any = None
    lines: array[int] = field(default_factory=lambda: array("L"))
    sizes: array[int] = field(default_factory=lambda: array("L"))

    def line_of(self, location: Location) -> int:
        """The line of what stands at the location, or else of the nearest thing around it."""
        data, index = self.data, 0
        for part in location:
            before = _before(data, part)
            if before is None:
                break
            index += 1
            for _ in range(before):
                index += self.sizes[index]
            data = data[part]
        return self.lines[index]


def _before(data: Any, part: str | int) -> int | None:
    """How many pieces stand before one in what it is a piece of; None where there is no such piece."""
    if isinstance(data, dict) and part in data:
        return list(data).index(part)
    return part if isinstance(data, list) and isinstance(part, int) and part < len(data) else None


def plain_documents(text: bytes) -> list[Plain] | None:
    """The documents of a stream; None where one of them has to be read with all care, or is no YAML."""
    loader = CSafeLoader(text)
    found = []
    try:
        while not isinstance(event := loader.get_event(), StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                found.append(_document(loader.get_event))
    except (_Unusual, YAMLError):
        return None
    return found


def _document(get: Callable[[], Any]) -> Plain:
    document, event = Plain(), get()
    document.data = _value(get, event, event.start_mark.line, document, 0)
    return document


def _value(get: Callable[[], Any], event: Any, line: int, document: Plain, depth: int) -> Any:
    kind = type(event)
    if kind is AliasEvent or event.anchor or event.tag or depth > MAX_DEPTH:
        raise _Unusual
    here = len(document.lines)
    document.lines.append(line + 1)
    document.sizes.append(1)
    if kind is ScalarEvent:
        return plain(event.value) if event.implicit[0] else event.value
    inside: list[Any] | dict[str, Any]
    if kind is SequenceStartEvent:
        inside = []
        while type(event := get()) is not SequenceEndEvent:
            inside.append(_value(get, event, event.start_mark.line, document, depth + 1))
    else:
        inside = {}
        while type(event := get()) is not MappingEndEvent:
            name = _key(event)
            if name in inside:
                raise _Unusual
            inside[name] = _value(get, get(), event.start_mark.line, document, depth + 1)
    document.sizes[here] = len(document.lines) - here
    return inside


def _key(event: Any) -> str:
    if type(event) is not ScalarEvent or event.anchor or event.tag or event.value == "<<":
        raise _Unusual
    return _plain_key(event.value) if event.implicit[0] else str(event.value)


@lru_cache(maxsize=1 << 12)
def _plain_key(text: str) -> str:
    return key_of(plain(text))

"""The data of YAML texts that hold nothing unusual, read in half the time that lines and flaws take."""

from collections.abc import Callable
from typing import Any

import yaml

from pipeline.policy.yaml_scalars import key_of, plain

MAX_DEPTH = 100


class _Unusual(Exception):  # noqa: N818  # nothing need be wrong with it
    """An alias, anchor, tag, merge, duplicate key, or depth that has to be looked at more closely."""


def plain_documents(text: bytes) -> list[Any] | None:
    """The documents of a stream; None where one of them has to be read with all care, or is no YAML."""
    loader = yaml.CSafeLoader(text)
    found = []
    try:
        while not isinstance(event := loader.get_event(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                found.append(_value(loader.get_event, loader.get_event(), 0))
    except (_Unusual, yaml.YAMLError):
        return None
    return found


def _value(get: Callable[[], Any], event: Any, depth: int) -> Any:
    kind = type(event)
    if kind is yaml.AliasEvent or event.anchor or event.tag or depth > MAX_DEPTH:
        raise _Unusual
    if kind is yaml.ScalarEvent:
        return plain(event.value) if event.implicit[0] else event.value
    if kind is yaml.SequenceStartEvent:
        items = []
        while type(event := get()) is not yaml.SequenceEndEvent:
            items.append(_value(get, event, depth + 1))
        return items
    data: dict[str, Any] = {}
    while type(event := get()) is not yaml.MappingEndEvent:
        key = _value(get, event, depth)
        name = key if type(key) is str else key_of(key)
        if name in data or name == "<<":
            raise _Unusual
        data[name] = _value(get, get(), depth + 1)
    return data

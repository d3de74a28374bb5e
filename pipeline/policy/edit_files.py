"""Manifests in files as policies that can be found and edited, with a check of what an edit came to."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import orjson
import yaml

from pipeline.policy.edit_layout import BY_HAND, Edit, EditError, Layout, apply
from pipeline.policy.policies import MODEL_KINDS, PolicyKey
from pipeline.policy.problems import Location
from pipeline.policy.resources import Document, find, resource_key
from pipeline.policy.yaml_lines import TextError, documents

_MARK = b"\xef\xbb\xbf"
_SHORT = {model: short for short, model in MODEL_KINDS.items()}


@dataclass(frozen=True, slots=True)
class Written:
    """A policy where it is written: the number of its document in the file, and the place in a List."""

    file: str
    number: int
    location: Location
    key: PolicyKey
    data: Document


class Text:
    """One file. Raises EditError where it is not UTF-8, TextError where it is no YAML."""

    def __init__(self, content: bytes) -> None:
        try:
            # A byte order mark is kept, and counted by nobody: it is no part of the text.
            self.mark = _MARK * content.startswith(_MARK)
            self.text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise EditError("it is not UTF-8: save it as such first") from None
        self.data = [each.data for each in documents(self.text.encode())]

    @cached_property
    def layout(self) -> Layout:
        try:
            return Layout(self.text)
        except yaml.YAMLError:  # JSON that is no YAML
            raise EditError(BY_HAND) from None

    def edited(self, edits: Iterable[Edit], expected: Iterable[Any]) -> "Text":
        """The text with the edits. Raises EditError where it does not say then what is expected."""
        try:
            edited = Text(self.mark + apply(self.text, edits).encode())
        except TextError:
            raise EditError(BY_HAND) from None
        if edited.says() != [_said(each) for each in expected if each is not None]:
            raise EditError(BY_HAND)
        return edited

    def content(self) -> bytes | None:
        """What the file holds; None where that is no document any more."""
        return self.mark + self.text.encode() if self.says() else None

    def says(self) -> list[bytes]:
        """Its documents but for empty ones, in a form that does not depend on how they are written."""
        return [_said(each) for each in self.data if each is not None]


def policies_in(texts: Mapping[str, Text]) -> Iterator[Written]:
    """Every policy that is written in the files."""
    for name, text in texts.items():
        for number, document in enumerate(text.data):
            for location, data in _items((), document):
                if key := _key(data):
                    yield Written(name, number, location, key, data)


def _items(location: Location, data: Any) -> Iterator[tuple[Location, Any]]:
    """The document, or what it lists: a List of any kind, whose items may leave theirs out."""
    if not isinstance(data, dict) or not str(data.get("kind")).endswith("List"):
        yield location, data
        return
    kind = str(data["kind"]).removesuffix("List")
    inherited = {"apiVersion": data.get("apiVersion"), "kind": kind} if kind else {}
    items = data.get("items")
    for index, item in enumerate(items if isinstance(items, list) else []):
        if isinstance(item, dict):
            yield from _items((*location, "items", index), inherited | item)


def _key(data: Any) -> PolicyKey | None:
    if not isinstance(data, dict) or not isinstance(data.get("metadata"), dict):
        return None
    kind = find(str(data.get("apiVersion")), str(data.get("kind")))
    if kind is None or kind.role != "policy":
        return None
    namespace = (data["metadata"].get("namespace") or "default") if kind.namespaced else ""
    named = {**data, "metadata": {"name": data["metadata"].get("name"), "namespace": namespace}}
    model, namespace, name = resource_key(named).split("/", 2)
    return PolicyKey(_SHORT[cast("Any", model)], namespace, name) if model in _SHORT else None


def _said(data: Any) -> bytes:
    """A document in a form that does not depend on how it is written."""
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)

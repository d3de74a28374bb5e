"""A kustomization.yaml that goes on without files that are gone."""

from collections.abc import Collection, Iterator
from os.path import normpath
from pathlib import PurePath
from typing import Any, NamedTuple

from pipeline.policy.edit_files import Text
from pipeline.policy.edit_layout import Edit, EditError
from pipeline.policy.yaml_lines import TextError

NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")


class Kustomization(NamedTuple):
    """The content without the files (None: as it was), and what a person has to see to."""

    content: bytes | None
    notes: tuple[str, ...]


def without_files(content: bytes, folder: PurePath, gone: Collection[PurePath]) -> Kustomization:
    """`folder` is where it stands; its `resources` name files from there."""
    try:
        text = Text(content)
        edits, expected, left = list[Edit](), list[Any](), set[str]()
        for number, data in enumerate(text.data):
            resources = data.get("resources") if isinstance(data, dict) else None
            items = resources if isinstance(resources, list) else []
            places = [place for place, each in enumerate(items) if _is_gone(each, folder, gone)]
            kept = [each for place, each in enumerate(items) if place not in places]
            if places and kept:
                edits += text.layout.without_items(text.layout.node(number, ("resources",)), places)
                data = data | {"resources": kept}
            expected.append(data)
            left |= {each for each in _texts(data) if _is_gone(each, folder, gone)}
        edited = text.edited(edits, expected).content() if edits else None
    except (EditError, TextError) as error:
        return Kustomization(None, (f"it may name files that are gone, and was left as it is: {error}",))
    return Kustomization(edited, tuple(f"it still names {each}, which is gone" for each in sorted(left)))


def _is_gone(name: Any, folder: PurePath, gone: Collection[PurePath]) -> bool:
    return isinstance(name, str) and "\n" not in name and PurePath(normpath(folder / name)) in gone


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for each in data.values() if isinstance(data, dict) else data:
            yield from _texts(each)

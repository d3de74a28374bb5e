"""A YAML text changed to say something else; what does not change stays as it was written, comments too."""

from difflib import SequenceMatcher
from textwrap import indent
from typing import Any

import yaml

from pipeline.recommend.alike import alike
from pipeline.recommend.render import to_line, to_yaml
from pipeline.recommend.yaml_text import Part, YamlText

_SHOWN = 120  # characters of what goes


class LayoutError(ValueError):
    """A text that cannot be changed without losing what somebody wrote into it."""


def rewrite(text: str, new: Any) -> str:
    """The text, changed where it does not say `new`. Raises LayoutError; yaml.YAMLError where it is none."""
    whole = YamlText(text)
    rewriting = _Rewriting(whole)
    rewriting.value(whole.root, yaml.safe_load(text), new)
    changed = rewriting.changed()
    if changed is None or yaml.safe_load(changed) != new:
        raise LayoutError("it is written in a way that only its author can change")
    return changed


class _Rewriting:
    """Collects what has to be put where."""

    def __init__(self, whole: YamlText) -> None:
        self._whole = whole
        self._edits: list[tuple[Part, str]] = []

    def changed(self) -> str | None:
        """The text with every edit; None where they are in each other's way."""
        pieces, at = [], 0
        for (start, end), piece in sorted(self._edits, key=lambda edit: edit[0]):
            if start < at:
                return None
            pieces += [self._whole.text[at:start], piece]
            at = end
        return "".join([*pieces, self._whole.text[at:]])

    def value(self, node: yaml.Node, old: Any, new: Any) -> None:
        in_lines = isinstance(node, yaml.CollectionNode) and not node.flow_style
        if old == new:
            return
        if in_lines and isinstance(old, dict) and isinstance(new, dict):
            self._mapping(node, old, new)
        elif in_lines and isinstance(old, list) and isinstance(new, list):
            self._items(node, old, new)
        else:
            self._replace(self._whole.inner(node), to_line(new))

    def _mapping(self, node: yaml.Node, old: dict[str, Any], new: dict[str, Any]) -> None:
        places = {key.value: place for place, (key, _) in enumerate(node.value)}
        for place, (key, _) in enumerate(node.value):
            if key.value not in old or places[key.value] != place:
                raise LayoutError(
                    f"line {key.start_mark.line + 1}: key {key.value} stands twice, or is no text"
                )
        for name in old.keys() - new.keys():
            self._remove(self._whole.entry(node, places[name]))
        first, column = node.start_mark.index, node.start_mark.column
        place = first
        for name, value in new.items():
            if name in old:
                entry = node.value[places[name]][1]
                self.value(entry, old[name], value)
                place = self._whole.line_end(entry)
                continue
            lines = indent(to_yaml({name: value}), " " * column)
            # The first line has its indentation already, or a dash.
            self._edits.append(
                (Part(place, place), lines if place > first else lines[column:] + " " * column)
            )

    def _items(self, node: yaml.Node, old: list[Any], new: list[Any]) -> None:
        """A rule about the same peer is changed inside, so that what is written at it stays."""
        matcher = SequenceMatcher(None, [*map(to_line, old)], [*map(to_line, new)], autojunk=False)
        for what, first, last, at, until in matcher.get_opcodes():
            if what == "equal":
                continue
            for number in range(first, last):
                changed = (i for i in range(at, until) if alike(old[number], new[i]))
                if (found := next(changed, None)) is None:
                    self._remove(self._whole.item(node, number))
                    continue
                self._insert(node, number, new[at:found])
                self.value(node.value[number], old[number], new[found])
                at = found + 1
            self._insert(node, last, new[at:until])

    def _insert(self, node: yaml.Node, number: int, items: list[Any]) -> None:
        """Before the item of that number, and the comments above it."""
        if not items:
            return
        whole = self._whole
        place = whole.item(node, number - 1).end if number else whole.above(whole.item(node, 0).start)
        _, _, lines = to_yaml({"": items}).partition("\n")
        self._edits.append((Part(place, place), indent(lines, " " * node.start_mark.column)))

    def _remove(self, part: Part) -> None:
        self._replace(part, "", self._whole.above(part.start))

    def _replace(self, part: Part, piece: str, above: int | None = None) -> None:
        whole = self._whole
        if whole.has_comment(Part(part.start if above is None else above, part.end)):
            says = " ".join(whole.text[slice(*part)].split())[:_SHOWN]
            raise LayoutError(f"line {whole.line(part.start)}: a comment would be lost with `{says}`")
        self._edits.append((part, piece))

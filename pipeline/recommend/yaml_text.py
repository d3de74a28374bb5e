"""Where the parts of a YAML document stand in its text: lines of entries and items, and comments."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import yaml

_COMMENT_LINES = re.compile(r"(?:^[ \t]*#[^\n]*\n)*\Z", re.MULTILINE)
_HASH = re.compile("#")


class Part(NamedTuple):
    """A stretch of the text, from `start` up to `end`."""

    start: int
    end: int


class YamlText:
    """A text that holds one document. Raises yaml.YAMLError where it is none."""

    def __init__(self, text: str) -> None:
        self.text = text if text.endswith("\n") else text + "\n"
        root = yaml.compose(self.text, yaml.SafeLoader)
        if root is None:
            raise yaml.YAMLError("it is empty")
        self.root: yaml.Node = root
        self._scalars = [self.inner(node) for node in _scalars(root)]

    def inner(self, node: yaml.Node) -> Part:
        """Of a value: without the line breaks that end it and comments behind it."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            end = max(self.inner(part).end for part in _parts(node))
        else:
            # A text of several lines ends, for PyYAML, where the next thing begins.
            end = len(self.text[: node.end_mark.index].rstrip())
        return Part(node.start_mark.index, max(node.start_mark.index, end))

    def entry(self, mapping: yaml.Node, place: int) -> Part:
        """The lines of an entry; behind a dash, up to the next entry."""
        key, value = mapping.value[place]
        start = self._line_start(key.start_mark.index)
        if not self.text[start : key.start_mark.index].strip():
            return Part(start, self.line_end(value))
        following = mapping.value[place + 1 :]
        end = following[0][0].start_mark.index if following else self.line_end(value)
        return Part(key.start_mark.index, end)

    def item(self, items: yaml.Node, number: int) -> Part:
        """The lines of an item of a list in block style."""
        node, column = items.value[number], items.start_mark.column
        start = self._line_start(node.start_mark.index)
        while start and self.text[start : start + column + 1].lstrip(" ") != "-":  # a line of its own
            start = self._line_start(start - 1)
        return Part(start, self.line_end(node))

    def line_end(self, node: yaml.Node) -> int:
        """Where the line after a value begins."""
        return self.text.index("\n", self.inner(node).end) + 1

    def above(self, start: int) -> int:
        """Where the comment lines begin that stand right above."""
        found = _COMMENT_LINES.search(self.text, 0, start)
        return found.start() if found else start

    def has_comment(self, part: Part) -> bool:
        """Whether there is one in it."""
        marks = (mark.start() for mark in _HASH.finditer(self.text, *part))
        return any(all(not start <= mark < end for start, end in self._scalars) for mark in marks)

    def line(self, index: int) -> int:
        """Its number, as people count."""
        return self.text.count("\n", 0, index) + 1

    def _line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    for each in node.value:
        yield from each if isinstance(each, tuple) else (each,)


def _scalars(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.ScalarNode):
        yield node
        return
    for part in _parts(node):
        yield from _scalars(part)

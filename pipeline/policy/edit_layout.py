"""Where the parts of a YAML or JSON text stand, so that some are changed and all others stay as they are."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import yaml

from pipeline.policy.problems import Location, path
from pipeline.user_error import UserError

BY_HAND = "it is written in a way that only its author can change: do it by hand"


class EditError(UserError):
    """An edit that is not made; the message says why and what to do."""


class Edit(NamedTuple):
    """A stretch of the text, from `start` up to `end`, and what is to stand there."""

    start: int
    end: int
    text: str = ""


class Document(NamedTuple):
    """A document of a stream, and where its `---` begins; None where it has none."""

    root: Any
    marker: int | None


class Layout:
    """A text and the nodes of its documents. Raises yaml.YAMLError where it is neither YAML nor JSON."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.in_brackets = text.lstrip()[:1] in ("{", "[")
        # As many characters: no place moves. JSON may be indented by tabs, YAML not.
        read = text.replace("\t", " ") if self.in_brackets else text
        events = list(yaml.parse(read, yaml.CSafeLoader))
        starts = [each for each in events if isinstance(each, yaml.DocumentStartEvent)]
        markers = (_place(each) if each.explicit else None for each in starts)
        self.documents = tuple(map(Document, yaml.compose_all(read, yaml.CSafeLoader), markers))
        self._aliases = [_place(each) for each in events if isinstance(each, yaml.AliasEvent)]

    def node(self, number: int, location: Location) -> Any:
        """What stands at a location of a document. Raises EditError where an alias stands in or around it."""
        node = self.documents[number].root
        for part in location:
            node = _child(node, part)
        end = self.line_end(self.end(node))
        if any(node.start_mark.index <= alias < end for alias in self._aliases):
            raise EditError(f"{self.line_of(node)}: it uses YAML aliases: write out what they stand for")
        return node

    def line_of(self, node: Any) -> str:
        """The line of a node, as people count and messages say it."""
        return f"line {node.start_mark.line + 1}"

    def end(self, node: Any) -> int:
        """Where a value ends, without the line breaks and comments behind it."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            return max(map(self.end, last)) if isinstance(last, tuple) else self.end(last)
        # A text of several lines ends, for libyaml, where the next thing begins.
        end = node.end_mark.index
        while end > node.start_mark.index and self.text[end - 1].isspace():
            end -= 1
        return int(end)

    def line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def line_end(self, index: int) -> int:
        """Where the next line begins."""
        return self.text.find("\n", index) + 1 or len(self.text)

    def column(self, node: Any) -> int:
        return int(node.start_mark.index - self.line_start(node.start_mark.index))

    def above(self, start: int) -> int:
        """Where the comment lines begin that stand right above the line that begins at `start`."""
        while start:
            before = self.line_start(start - 1)
            if not self.text[before:start].lstrip(" ").startswith("#"):
                break
            start = before
        return start

    def without_entries(self, mapping: Any, names: Collection[str]) -> Iterator[Edit]:
        """What takes some entries away, but not all: with their lines where they have lines of their own."""
        gone = [place for place, (key, _) in enumerate(mapping.value) if key.value in names]
        parts = [(key.start_mark.index, self.end(value)) for key, value in mapping.value]
        if mapping.flow_style:
            yield from self._without(parts, gone)
            return
        for place in gone:
            start, end = parts[place]
            end = max(end, self.end(mapping.value[place][0]))
            if not self.text[self.line_start(start) : start].strip():
                yield Edit(self.line_start(start), self.line_end(end))
            elif place + 1 < len(parts) and not self.text[end : parts[place + 1][0]].strip():
                yield Edit(start, parts[place + 1][0])  # behind a dash, where the next entry comes to stand
            else:  # the dash keeps a line of its own
                yield Edit(self._after_dash(start), end)

    def without_items(self, sequence: Any, gone: Sequence[int]) -> Iterator[Edit]:
        """What takes some items away, but not all; comment lines right above an item go with it."""
        parts = [(item.start_mark.index, self.end(item)) for item in sequence.value]
        if sequence.flow_style:
            yield from self._without(parts, gone)
            return
        for place in gone:
            start, end = parts[place]
            line = self.line_start(start)
            if self.text[line:start].strip() != "-":
                raise EditError(f"{self.line_of(sequence.value[place])}: its dash has a line of its own")
            yield Edit(self.above(line), self.line_end(end))

    def without_document(self, number: int) -> Edit:
        """What takes a document away, with the comments in front of it. What stands before the first `---`,
        and comments behind the document, stay."""
        root, marker = self.documents[number]
        start = self.above(self.line_start(root.start_mark.index)) if marker is None else marker
        end = self.line_end(self.end(root))
        while self.text[end : end + 1] == " " and self.text[end : self.line_end(end)].lstrip(" ")[:1] == "#":
            end = self.line_end(end)  # a comment within its last field
        following = self.documents[number + 1 :]
        until = following[0].marker if following else len(self.text)
        if until is not None and not self.text[end:until].strip():
            end = until
        return Edit(start, end)

    def _after_dash(self, start: int) -> int:
        while self.text[start - 1] == " ":
            start -= 1
        return start

    def _without(self, parts: Sequence[tuple[int, int]], gone: Sequence[int]) -> Iterator[Edit]:
        """Of parts between commas, up to the next that stays, or from the one before where none follows."""
        for _, run in groupby(enumerate(gone), lambda each: each[1] - each[0]):
            places = [place for _, place in run]
            first, last = places[0], places[-1]
            if last + 1 < len(parts):
                yield Edit(parts[first][0], parts[last + 1][0])
            else:
                yield Edit(parts[first - 1][1], parts[last][1])


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with every edit. Raises EditError where they are in each other's way."""
    pieces, at = [], 0
    for start, end, piece in sorted(edits):
        if start < at:
            raise EditError(BY_HAND)
        pieces += [text[at:start], piece]
        at = end
    return "".join([*pieces, text[at:]])


def entry(mapping: Any, name: str) -> tuple[Any, Any] | None:
    """Key and value of an entry; None where there is none."""
    return next(((key, value) for key, value in mapping.value if key.value == name), None)


def _place(event: Any) -> int:
    return int(event.start_mark.index)


def _child(node: Any, part: str | int) -> Any:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int):
        return node.value[part]
    found = entry(node, str(part)) if isinstance(node, yaml.MappingNode) else None
    if found is None:  # a merge key holds it
        line = node.start_mark.line + 1
        raise EditError(f"line {line}: {path((part,))} is not written in it: write it out")
    return found[1]

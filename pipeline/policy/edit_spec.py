"""The spec of one manifest in the place of another's, as its author wrote it."""

import json
from textwrap import indent
from typing import Any

from pipeline.policy.edit_layout import Edit, EditError, Layout, entry


def put_spec(source: Layout, given: Any, target: Layout, mapping: Any, data: Any) -> Edit:
    """The edit of `target` that puts `given`, a node of `source` (None: it has none) that holds `data`, in
    the place of the spec of `mapping`. Raises EditError where there is none."""
    found = entry(mapping, "spec")
    if found is None:
        raise EditError(f"{target.line_of(mapping)}: it has no spec that could be replaced: give it one")
    key, value = found
    start, end = value.start_mark.index, target.end(value)
    if mapping.flow_style:
        return Edit(start, end, _in_brackets(source, given, target, value, data))
    colon = target.text.index(":", key.end_mark.index) + 1
    if given is None or given.flow_style:
        return Edit(colon, max(colon, end), " " + (_text(source, given) if given else "{}"))
    own_lines = not getattr(value, "flow_style", True)
    column = target.column(value) if own_lines else target.column(mapping) + 2
    lines = _newlines(_shifted(_lines(source, given), column - source.column(given)), target)
    if own_lines:
        return Edit(target.line_start(start), target.line_end(end), lines)
    return Edit(colon, target.line_end(max(colon, end)), _newlines("\n", target) + lines)


def _text(layout: Layout, node: Any) -> str:
    return layout.text[node.start_mark.index : layout.end(node)]


def _lines(layout: Layout, node: Any) -> str:
    start = layout.above(layout.line_start(node.start_mark.index))
    return layout.text[start : layout.line_end(layout.end(node))].rstrip() + "\n"


def _shifted(lines: str, columns: int) -> str:
    if columns >= 0:
        return indent(lines, " " * columns)
    cut = -columns
    return "".join(line[min(cut, len(line) - len(line.lstrip(" "))) :] for line in lines.splitlines(True))


def _newlines(text: str, target: Layout) -> str:
    text = text.replace("\r\n", "\n")
    return text.replace("\n", "\r\n") if "\r\n" in target.text else text


def _in_brackets(source: Layout, given: Any, target: Layout, value: Any, data: Any) -> str:
    """As it is written where that may stand in brackets, else as JSON in the form of what it replaces."""
    if given is not None and given.flow_style and (source.in_brackets or not target.in_brackets):
        return _text(source, given)
    if "\n" not in _text(target, value):
        return json.dumps(data, ensure_ascii=False)
    margin = _margin(target, value.start_mark.index)
    inner = _margin(target, value.value[0][0].start_mark.index) if value.value else ""
    unit = inner.removeprefix(margin) if inner.startswith(margin) else ""
    first, *others = json.dumps(data, ensure_ascii=False, indent=unit or 2).splitlines(keepends=True)
    return _newlines(first + "".join(margin + each for each in others), target)


def _margin(layout: Layout, index: int) -> str:
    """The white space that its line begins with."""
    line = layout.text[layout.line_start(index) : layout.line_end(index)]
    return line[: len(line) - len(line.lstrip())]

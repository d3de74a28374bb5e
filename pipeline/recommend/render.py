"""A manifest as the YAML that is committed: the same bytes for the same content."""

import re
from typing import Any

import yaml

# Text for PyYAML, numbers and truth for other readers of YAML, those of Go among them.
_NOT_TEXT_ELSEWHERE = re.compile(r"[-+]?(0o[0-7]+|\d[\d_]*(\.\d*)?[eE][-+]?\d+)|[yYnN]")


class _Dumper(yaml.CSafeDumper):
    """Lists stand where their key stands, as kubectl writes them; nothing is an alias of something else."""

    def ignore_aliases(self, _: object) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    style = "'" if _NOT_TEXT_ELSEWHERE.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


def _number(dumper: _Dumper, number: float) -> yaml.Node:
    return dumper.represent_data(int(number)) if number.is_integer() else dumper.represent_float(number)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _number)


def to_yaml(manifest: dict[str, Any]) -> str:
    """The manifest as block-style YAML, its keys in their order."""
    return _dump(manifest, flow=False)


def to_line(value: Any) -> str:
    """A part of a manifest in one line."""
    return _dump([value], flow=True).strip()[1:-1]


def _dump(value: Any, *, flow: bool) -> str:
    return yaml.dump(
        value, Dumper=_Dumper, default_flow_style=flow, sort_keys=False, width=2**30, allow_unicode=True
    )

"""What a Lens formula computes from the numbers that Elasticsearch gave."""

from collections.abc import Callable, Mapping
from typing import Any

type Number = float | int | None

_FUNCTIONS: dict[str, Callable[..., Number]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b if b else None,  # Kibana shows nothing for it
    "pick_max": max,
    "pick_min": min,
    "max": max,
    "min": min,
    "round": round,
    "ifelse": lambda condition, yes, no: yes if condition else no,
    "gt": lambda a, b: a > b,
    "lt": lambda a, b: a < b,
    "eq": lambda a, b: a == b,
}


def compute(column: Mapping[str, Any], values: Mapping[str, Number]) -> Number:
    """The value of a formula, math or static column."""
    params = column["params"]
    match column["operationType"]:
        case "static_value":
            return float(params["value"])
        case "math":
            return _compute(params["tinymathAst"], values)
    (reference,) = column["references"]  # a formula shows what its last part computed
    return values[reference]


def _compute(tree: Any, values: Mapping[str, Number]) -> Number:
    if isinstance(tree, str):
        return values[tree]
    if isinstance(tree, int | float):
        return tree
    if tree["type"] == "variable":
        return values[tree["value"]]
    arguments = [_compute(each, values) for each in tree["args"]]
    function = _FUNCTIONS[tree["name"]]
    return None if None in arguments else function(*arguments)

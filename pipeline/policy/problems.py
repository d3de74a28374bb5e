"""What is wrong with a manifest, where, and in words for the person who wrote it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import override

from pydantic import ValidationError
from pydantic_core import ErrorDetails

type Location = tuple[str | int, ...]
type Finding = tuple[Location, str]

WORDS = {
    "extra_forbidden": "unknown field",
    "missing": "required, but missing",
    "string_type": "must be a string, not {given}",
    "int_type": "must be a whole number, not {given}",
    "float_type": "must be a number, not {given}",
    "bool_type": "must be true or false, not {given}",
    "list_type": "must be a list, not {given}",
    "dict_type": "must be a mapping, not {given}",
    "model_type": "must be a mapping, not {given}",
    "model_attributes_type": "must be a mapping, not {given}",
    "literal_error": "must be {expected}, not {given}",
    "too_long": "has {actual_length} items, at most {max_length} are allowed",
    "too_short": "has {actual_length} items, at least {min_length} needed",
    "string_too_long": "is longer than {max_length} characters",
    "string_too_short": "must not be empty",
    "greater_than_equal": "must be at least {ge}, not {given}",
    "less_than_equal": "must be at most {le}, not {given}",
    "value_error": "{error}",
}
TYPES = {dict: "a mapping", list: "a list", type(None): "null"}


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong (or worth a warning) in one place; `line` counts from 1, `field` is a path."""

    file: str
    line: int
    field: str
    reason: str

    @override
    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.reason}"


class ManifestError(ValueError):
    """Manifests that cannot be used; `problems` are all that was found wrong."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def path(location: Location) -> str:
    """The location as people write it: `spec.ingress[0].source`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nulls(data: object, location: Location = ()) -> Iterable[Finding]:
    """Every field that is there without a value, which no schema that is loaded here allows."""
    if data is None:
        yield location, "has no value (null): give it one or leave the field out"
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in children:
        yield from nulls(value, (*location, key))


def worded(error: ValidationError) -> Iterable[Finding]:
    """Where a schema is not met, and why."""
    for details in error.errors(include_url=False):
        yield details["loc"], _reason(details)


def _reason(details: ErrorDetails) -> str:
    words = WORDS.get(details["type"], details["msg"])
    return words.format(given=_given(details["input"]), **details.get("ctx", {}))


def _given(value: object) -> str:
    return TYPES.get(type(value), repr(value)[:60])

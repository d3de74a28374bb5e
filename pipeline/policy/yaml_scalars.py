"""Scalars as kubectl reads them: no dates and no base 60, so that `10:20` is a range of ports."""

from re import compile as regex

NULLS = dict.fromkeys(("", "~", "null", "Null", "NULL"))
TRUE = dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True)
FALSE = dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False)
CONSTANTS: dict[str, bool | None] = {**NULLS, **TRUE, **FALSE}
INTEGER = regex(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)\Z")
FLOAT = regex(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
OCTAL = regex(r"[-+]?0[0-7]+\Z")
MAX_DIGITS = 18  # more do not fit in 64 bits and are read as a float


def key_of(data: object) -> str:
    """A key as kubectl takes it: whatever it is, as a string."""
    return str(data).lower() if isinstance(data, bool) else str(data)


def plain(text: str) -> object:
    """What a scalar without quotes is."""
    if text in CONSTANTS:
        return CONSTANTS[text]
    if text[0] not in "+-.0123456789":
        return text
    number = text.replace("_", "")
    if INTEGER.match(text) and len(number) <= MAX_DIGITS:
        return int(number, 8 if OCTAL.match(number) else 0)
    return float(number) if FLOAT.match(text) else text

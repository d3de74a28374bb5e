"""Calico's selector language: parsing, combining, and deciding over labels (CALICO.md §7)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self, override

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError

from pipeline.policy.packed import packed

type Labels = Mapping[str, str]
type Operator = Literal["==", "!=", "contains", "starts with", "ends with", "in", "not in", "has"]

MAX_LENGTH = 1024  # of a selector, as Calico's CRDs limit it
MAX_LABEL = 512

TESTS: dict[Operator, Callable[[str, tuple[str, ...]], bool]] = {
    "==": lambda value, values: value == values[0],
    "!=": lambda value, values: value != values[0],
    "contains": lambda value, values: values[0] in value,
    "starts with": lambda value, values: value.startswith(values[0]),
    "ends with": lambda value, values: value.endswith(values[0]),
    "in": lambda value, values: value in values,
    "not in": lambda value, values: value not in values,
    "has": lambda _value, _values: True,
}


class SelectorError(ValueError):
    """A text that is no selector: `message` says why, `column` (from 1) where."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message, column)
        self.message = message
        self.column = column

    @override
    def __str__(self) -> str:
        return f"{self.message} (column {self.column})"


@dataclass(frozen=True, slots=True, eq=False)
class Selector(ABC):
    """A parsed selector; equal to any other of the same `canonical` text, Calico's String()."""

    canonical: str

    @abstractmethod
    def matches(self, labels: Labels) -> bool:
        """Whether something that has exactly these labels is selected."""

    @abstractmethod
    def decide(self, labels: Labels, is_open: Callable[[str], bool]) -> bool | None:
        """Kleene's answer where keys not in `labels` may be there too if `is_open(key)`; None = undecided."""

    @abstractmethod
    def map(self, leaf: Callable[["Selector"], "Selector"]) -> "Selector":
        """The same selector with every leaf (comparison, has, all, global) replaced."""

    @abstractmethod
    def atoms(self) -> tuple["Atom", ...]:
        """All comparisons and has() in it, from left to right."""

    def keys(self) -> frozenset[str]:
        """The label keys that it looks at."""
        return frozenset(atom.key for atom in self.atoms())

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Selector) and self.canonical == other.canonical

    @override
    def __hash__(self) -> int:
        return hash(self.canonical)

    @override
    def __str__(self) -> str:
        return self.canonical

    @override
    def __reduce__(self) -> tuple[type[Self], tuple[Any, ...]]:
        return packed(self)


@dataclass(frozen=True, slots=True, eq=False)
class Everything(Selector):
    """all() and global(): by themselves both select everything; only §2.5 and §3.1 tell them apart."""

    @override
    def matches(self, labels: Labels) -> bool:
        return True

    @override
    def decide(self, labels: Labels, is_open: Callable[[str], bool]) -> bool | None:
        return True

    @override
    def map(self, leaf: Callable[[Selector], Selector]) -> Selector:
        return leaf(self)

    @override
    def atoms(self) -> tuple["Atom", ...]:
        return ()


ALL = Everything("all()")
GLOBAL = Everything("global()")


@dataclass(frozen=True, slots=True, eq=False)
class Atom(Selector):
    """One comparison of one label, or has(); `values` are sorted and distinct."""

    key: str
    op: Operator
    values: tuple[str, ...]

    @override
    def matches(self, labels: Labels) -> bool:
        value = labels.get(self.key)
        return self.op in ("!=", "not in") if value is None else TESTS[self.op](value, self.values)

    @override
    def decide(self, labels: Labels, is_open: Callable[[str], bool]) -> bool | None:
        of_no_value = self.op in ("in", "not in") and not self.values
        settled = self.key in labels or of_no_value or not is_open(self.key)
        return self.matches(labels) if settled else None

    @override
    def map(self, leaf: Callable[[Selector], Selector]) -> Selector:
        return leaf(self)

    @override
    def atoms(self) -> tuple["Atom", ...]:
        return (self,)

    @override
    def keys(self) -> frozenset[str]:
        return frozenset((self.key,))


@dataclass(frozen=True, slots=True, eq=False)
class Not(Selector):
    """Negation."""

    operand: Selector

    @override
    def matches(self, labels: Labels) -> bool:
        return not self.operand.matches(labels)

    @override
    def decide(self, labels: Labels, is_open: Callable[[str], bool]) -> bool | None:
        decided = self.operand.decide(labels, is_open)
        return None if decided is None else not decided

    @override
    def map(self, leaf: Callable[[Selector], Selector]) -> Selector:
        return negate(self.operand.map(leaf))

    @override
    def atoms(self) -> tuple[Atom, ...]:
        return self.operand.atoms()


@dataclass(frozen=True, slots=True, eq=False)
class Combined(Selector):
    """A row of operands under && or ||; `ends_on` is the operand's answer that settles the whole."""

    operands: tuple[Selector, ...]
    ends_on: bool

    @override
    def matches(self, labels: Labels) -> bool:
        for operand in self.operands:
            if operand.matches(labels) is self.ends_on:
                return self.ends_on
        return not self.ends_on

    @override
    def decide(self, labels: Labels, is_open: Callable[[str], bool]) -> bool | None:
        undecided = False
        for operand in self.operands:
            decided = operand.decide(labels, is_open)
            if decided is self.ends_on:
                return self.ends_on
            undecided = undecided or decided is None
        return None if undecided else not self.ends_on

    @override
    def map(self, leaf: Callable[[Selector], Selector]) -> Selector:
        return _row([operand.map(leaf) for operand in self.operands], self.ends_on)

    @override
    def atoms(self) -> tuple[Atom, ...]:
        return tuple(atom for operand in self.operands for atom in operand.atoms())


def _row(operands: Iterable[Selector], ends_on: bool) -> Selector:
    row = tuple(operands)
    if len(row) == 1:
        return row[0]
    sign = " || " if ends_on else " && "
    return Combined(f"({sign.join(operand.canonical for operand in row)})", row, ends_on)


def all_of(*selectors: Selector) -> Selector:
    """The selectors under &&; all() where there are none."""
    return _row(selectors, ends_on=False) if selectors else ALL


def any_of(*selectors: Selector) -> Selector:
    """The selectors (at least one) under ||."""
    return _row(selectors, ends_on=True)


def negate(selector: Selector) -> Selector:
    """What the selector does not select."""
    return Not(f"!{selector.canonical}", selector)


def _quote(value: str) -> str:
    return f"'{value}'" if '"' in value else f'"{value}"'


def _atom(key: str, op: Operator, values: Iterable[str]) -> Atom:
    if op == "has":
        return Atom(f"has({key})", key, op, ())
    if op in ("in", "not in"):
        several = tuple(sorted(set(values)))
        return Atom(f"{key} {op} {{{', '.join(map(_quote, several))}}}", key, op, several)
    (value,) = values
    return Atom(f"{key} {op} {_quote(value)}", key, op, (value,))


def has(key: str) -> Selector:
    """`has(key)`."""
    return _atom(key, "has", ())


def label_equals(key: str, value: str) -> Selector:
    """`key == "value"`."""
    return _atom(key, "==", (value,))


def label_in(key: str, values: Iterable[str]) -> Selector:
    """`key in {values}`."""
    return _atom(key, "in", values)


def label_not_in(key: str, values: Iterable[str]) -> Selector:
    """`key not in {values}`."""
    return _atom(key, "not in", values)


def with_prefix(selector: Selector, prefix: str) -> Selector:
    """The selector over inherited labels: every key gets `prefix` ("pcns.", "pcsa.")."""

    def prefixed(leaf: Selector) -> Selector:
        return _atom(prefix + leaf.key, leaf.op, leaf.values) if isinstance(leaf, Atom) else leaf

    return selector.map(prefixed)


def replacing(selector: Selector, replacements: Mapping[Selector, Selector]) -> Selector:
    """The selector with whole leaves exchanged: ALL and GLOBAL get a meaning so (CALICO.md §2.5, §3.1)."""
    return selector.map(lambda leaf: replacements.get(leaf, leaf))


@lru_cache(maxsize=100_000)
def parse(text: str) -> Selector:
    """The selector that `text` writes; raises SelectorError. "" and blanks select everything."""
    if len(text) > MAX_LENGTH:
        raise SelectorError(f"selector is longer than {MAX_LENGTH} characters", MAX_LENGTH + 1)
    try:
        return _PARSER.parse(text)  # type: ignore[return-value]  # the transformer makes it a Selector
    except UnexpectedInput as error:
        raise _explained(error, text) from None
    except VisitError as error:
        raise error.orig_exc from None


@v_args(inline=True)
class _Builder(Transformer[Token, Selector]):
    """Builds the selector while the parser reads it."""

    def start(self, selector: Selector = ALL) -> Selector:
        return selector

    def or_expr(self, *operands: Selector) -> Selector:
        return any_of(*operands)

    def and_expr(self, *operands: Selector) -> Selector:
        return all_of(*operands)

    def operation(self, *parts: Any) -> Selector:
        # Calico's parser collapses a row of "!" before it builds the node.
        *signs, operand = parts
        return negate(operand) if len(signs) % 2 else operand

    def has(self, label: Token) -> Selector:
        return has(_label(label))

    def everything(self) -> Selector:
        return ALL

    def global_(self) -> Selector:
        return GLOBAL

    def compare(self, label: Token, operator: Token, *values: Token) -> Selector:
        return _atom(_label(label), OPERATORS[operator.type], [value[1:-1] for value in values])


OPERATORS: dict[str, Operator] = {
    "EQ": "==",
    "NE": "!=",
    "CONTAINS": "contains",
    "STARTS_WITH": "starts with",
    "ENDS_WITH": "ends with",
    "IN": "in",
    "NOT_IN": "not in",
}


def _label(token: Token) -> str:
    if len(token) > MAX_LABEL:
        raise SelectorError(f"label is longer than {MAX_LABEL} characters", token.column or 1)
    return str(token)


def _explained(error: UnexpectedInput, text: str) -> SelectorError:
    if isinstance(error, UnexpectedToken) and error.token.type == "$END":
        return SelectorError(f"unexpected end, expected {_wanted(error.expected)}", len(text) + 1)
    wanted = error.allowed if isinstance(error, UnexpectedCharacters) else getattr(error, "expected", ())
    column = error.column
    found = text[column - 1 :].split(maxsplit=1)[0] if text[column - 1 :].strip() else "end of line"
    return SelectorError(f"expected {_wanted(wanted)}, found {found[:20]!r}", column)


def _wanted(terminals: Iterable[str]) -> str:
    if OPERATORS.keys() <= set(terminals):
        return f"an operator ({', '.join(OPERATORS.values())})"
    return " or ".join(sorted(WORDS.get(terminal, terminal) for terminal in terminals))


WORDS = {
    "LABEL": "a label",
    "STRING": "a quoted string",
    "_HAS": "has(...)",
    "_ALL": "all()",
    "_GLOBAL": "global()",
    "NOT": "'!'",
    "LPAR": "'('",
    "RPAR": "')'",
    "LBRACE": "'{'",
    "RBRACE": "'}'",
    "COMMA": "','",
    "__ANON_0": "'||'",
    "__ANON_1": "'&&'",
    "$END": "the end",
}

_PARSER = Lark(
    Path(__file__).with_name("selector.lark").read_text(encoding="utf-8"),
    parser="lalr",
    transformer=_Builder(),
)

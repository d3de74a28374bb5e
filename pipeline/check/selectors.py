"""What can be proved of two selectors: that one implies the other, or that nothing satisfies both."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import product

from pipeline.policy.selector import ALL, Atom, Combined, Everything, Not, Operator, Selector

type Literal = tuple[Atom, bool]  # a comparison, and whether it must hold
type Clause = frozenset[Literal]

MAX_CLAUSES = 128  # of a selector as an "or" of "and"s; a larger one is left unproved
# Where one label satisfies the first text of an operator, it satisfies the second too.
NARROWER: dict[Operator, Callable[[str, str], bool]] = {
    "starts with": lambda first, second: first.startswith(second),
    "ends with": lambda first, second: first.endswith(second),
    "contains": lambda first, second: second in first,
}


class _TooLarge(Exception):  # noqa: N818  # nothing is wrong with it
    """The selector has more clauses than are looked at."""


@lru_cache(maxsize=1 << 18)
def implies(narrow: Selector, wide: Selector) -> bool:
    """Whether all labels that satisfy `narrow` satisfy `wide`; False also where that is not proved."""
    if wide in (narrow, ALL):
        return True
    if isinstance(wide, Combined) and not wide.ends_on:
        return all(implies(narrow, part) for part in wide.operands)
    if isinstance(narrow, Combined) and narrow.ends_on:
        return all(implies(part, wide) for part in narrow.operands)
    if isinstance(wide, Everything):
        return True
    keys = wide.keys()
    near = [part for part in conjuncts(narrow) if not keys.isdisjoint(part.keys())]
    if wide in near or not near:  # what else everything or nothing satisfies nobody writes
        return bool(near)
    if isinstance(wide, Atom) and (value := _only_value(near)):
        return wide.matches({wide.key: value})
    if isinstance(wide, Atom) and all(isinstance(part, Atom) for part in near):
        return not _possible([(wide, False), *((part, True) for part in near if isinstance(part, Atom))])
    return not _satisfiable_with(narrow, wide, negated=True)


def _only_value(parts: Iterable[Selector]) -> str | None:
    """What a label must be for all of these, which look at no other; None where several may do."""
    return next((part.values[0] for part in parts if isinstance(part, Atom) and part.op == "=="), None)


@lru_cache(maxsize=1 << 18)
def disjoint(first: Selector, second: Selector) -> bool:
    """Whether no labels satisfy both; False also where that is not proved."""
    return not _satisfiable_with(first, second, negated=False)


@lru_cache(maxsize=1 << 18)
def conjuncts(selector: Selector) -> tuple[Selector, ...]:
    """The parts that must all hold."""
    if isinstance(selector, Combined) and not selector.ends_on:
        return tuple(part for operand in selector.operands for part in conjuncts(operand))
    return (selector,)


def _satisfiable_with(first: Selector, second: Selector, *, negated: bool) -> bool:
    try:
        ours, theirs = _clauses(first, positive=True), _clauses(second, positive=not negated)
    except _TooLarge:
        return True
    return any(_satisfiable(one | other) for one, other in product(ours, theirs))


def _clauses(selector: Selector, *, positive: bool) -> list[Clause]:
    """The selector, or what it does not select, as an "or" of "and"s."""
    match selector:
        case Atom():
            return [frozenset({(selector, positive)})]
        case Not():
            return _clauses(selector.operand, positive=not positive)
        case Combined():
            parts = [_clauses(part, positive=positive) for part in selector.operands]
            if selector.ends_on is positive:
                return _bounded([clause for part in parts for clause in part])
            clauses: list[Clause] = [frozenset()]
            for part in parts:
                clauses = _bounded([one | other for one in clauses for other in part])
            return clauses
        case _:
            return [frozenset()] if positive else []


def _bounded(clauses: list[Clause]) -> list[Clause]:
    if len(clauses) > MAX_CLAUSES:
        raise _TooLarge
    return clauses


@lru_cache(maxsize=1 << 18)
def _satisfiable(clause: Clause) -> bool:
    by_key: dict[str, list[Literal]] = {}
    for literal in clause:
        by_key.setdefault(literal[0].key, []).append(literal)
    return all(_possible(literals) for literals in by_key.values())


def _possible(literals: list[Literal]) -> bool:
    """Whether one label can satisfy all of these: no value, one that is named, or maybe another."""
    if _holds(literals, {}):
        return True
    named = [set(atom.values) for atom, positive in literals if _names_values(atom, positive)]
    if named:
        key = literals[0][0].key
        return any(_holds(literals, {key: value}) for value in set.intersection(*named))
    return not any(_contradict(one, other) for one, other in product(literals, literals))


def _holds(literals: Iterable[Literal], labels: dict[str, str]) -> bool:
    return all(atom.matches(labels) is positive for atom, positive in literals)


def _names_values(atom: Atom, positive: bool) -> bool:
    """Whether only the values that stand there satisfy it."""
    return atom.op in (("==", "in") if positive else ("!=", "not in"))


def _contradict(one: Literal, other: Literal) -> bool:
    (atom, positive), (denied, negative) = one, other
    if not positive or negative:
        return False
    if denied.op == "has" or atom == denied:
        return atom.op not in ("!=", "not in") or atom == denied
    narrower = NARROWER.get(atom.op)
    return narrower is not None and atom.op == denied.op and narrower(atom.values[0], denied.values[0])


def satisfies_without(selector: Selector, prefixes: tuple[str, ...]) -> bool | None:
    """Whether something that has no label with one of these prefixes satisfies the selector; None: that
    depends on its other labels."""
    return selector.decide({}, lambda key: not key.startswith(prefixes))

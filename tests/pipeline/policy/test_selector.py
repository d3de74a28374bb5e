"""Selectors beyond Calico's own cases: open labels, combining, errors, limits."""

import pickle
from collections.abc import Mapping
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.policy.selector import (
    ALL,
    GLOBAL,
    Atom,
    Not,
    Selector,
    SelectorError,
    all_of,
    any_of,
    has,
    label_equals,
    label_in,
    label_not_in,
    negate,
    parse,
    replacing,
    with_prefix,
)

KEYS = ("a", "b", "pcns.env")
VALUES = ("", "x", "xy", "'", '"')
values = st.sampled_from(VALUES)
keys = st.sampled_from(KEYS)


def _compared(key: str, operator: str, value: str) -> Selector:
    quote = '"' if "'" in value else "'"
    return parse(f"{key} {operator} {quote}{value}{quote}")


comparisons = st.builds(
    _compared, keys, st.sampled_from(["==", "!=", "contains", "starts with", "ends with"]), values
)
leaves = st.one_of(
    st.sampled_from([ALL, GLOBAL]),
    comparisons,
    st.builds(has, keys),
    st.builds(label_in, keys, st.lists(values, max_size=3)),
    st.builds(label_not_in, keys, st.lists(values, max_size=3)),
)
selectors = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(lambda item: item if isinstance(item, Not) else negate(item)),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: all_of(*items)),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: any_of(*items)),
    ),
    max_leaves=6,
)
labels = st.dictionaries(keys, values)


@settings(deadline=None)
@given(selectors)
def test_the_canonical_text_says_the_same_selector(selector: Selector) -> None:
    again = parse(selector.canonical)
    assert again.canonical == selector.canonical
    assert again == selector
    assert hash(again) == hash(selector)


@settings(deadline=None)
@given(selectors, labels)
def test_equal_selectors_match_the_same(selector: Selector, given_labels: Mapping[str, str]) -> None:
    assert parse(selector.canonical).matches(given_labels) is selector.matches(given_labels)


@settings(deadline=None)
@given(selectors, labels)
def test_with_no_label_open_every_selector_is_decided_as_it_matches(selector, given_labels) -> None:
    assert selector.decide(given_labels, lambda _: False) is selector.matches(given_labels)


@settings(deadline=None)
@given(selectors, labels, st.sets(keys))
def test_what_is_decided_holds_for_every_completion(selector, given_labels, open_keys) -> None:
    decided = selector.decide(given_labels, lambda key: key in open_keys)
    if decided is None:
        return
    missing = sorted(open_keys - given_labels.keys())
    for completion in product((None, *VALUES, "other"), repeat=len(missing)):
        added = {key: value for key, value in zip(missing, completion, strict=True) if value is not None}
        assert selector.matches({**given_labels, **added}) is decided


@pytest.mark.parametrize("operator", ["==", "!=", "contains", "starts with", "ends with"])
def test_a_single_comparison_of_an_open_label_is_undecided(operator: str) -> None:
    selector = parse(f"a {operator} 'x'")
    assert selector.decide({}, lambda key: key == "a") is None
    assert selector.decide({}, lambda _: False) is (operator == "!=")


@pytest.mark.parametrize(
    ("text", "decided"),
    [
        ("a in {}", False),
        ("a not in {}", True),
        ("has(a) || b == 'x'", True),
        ("has(a) && b == 'y'", False),
        ("has(a) && b == 'x'", None),
        ("!has(a)", None),
        ("all()", True),
        ("!all() && has(a)", False),
    ],
)
def test_an_open_label_matters_only_where_it_can_change_the_answer(text: str, decided: bool | None) -> None:
    assert parse(text).decide({"b": "x"}, lambda key: key == "a") is decided


@settings(deadline=None)
@given(selectors)
def test_selectors_survive_the_way_to_another_process(selector: Selector) -> None:
    assert pickle.loads(pickle.dumps(selector)) == selector


@settings(deadline=None)
@given(selectors, labels)
def test_a_prefixed_selector_sees_prefixed_labels(
    selector: Selector, given_labels: Mapping[str, str]
) -> None:
    prefixed = {f"p.{key}": value for key, value in given_labels.items()}
    assert with_prefix(selector, "p.").matches(prefixed) is selector.matches(given_labels)


def test_keys_and_atoms_are_all_that_is_compared() -> None:
    selector = parse("a == 'x' && !(has(b) || c in {'z', 'y'})")
    assert selector.keys() == {"a", "b", "c"}
    assert [(atom.key, atom.op, atom.values) for atom in selector.atoms()] == [
        ("a", "==", ("x",)),
        ("b", "has", ()),
        ("c", "in", ("y", "z")),
    ]
    assert all(isinstance(atom, Atom) for atom in selector.atoms())


def test_whole_words_are_exchanged_and_nothing_else() -> None:
    selector = parse("all() && x == 'all()' || !global()")
    exchanged = replacing(selector, {ALL: has("n"), GLOBAL: negate(has("n"))})
    assert exchanged.canonical == '((has(n) && x == "all()") || !!has(n))'


def test_nothing_to_combine_selects_everything() -> None:
    assert all_of() == ALL
    assert all_of(label_equals("a", "x")) == label_equals("a", "x")


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("a = 'x'", 3, "an operator"),
        ("a == cali1", 6, "a quoted string"),
        ("has (a)", 5, "an operator"),
        ("a == 'x' &", 10, "'&&'"),
        ("(a == 'x'", 10, "')'"),
        ("has(a", 6, "')'"),
        ("a in {'x' 'y'}", 11, "','"),
        ("a == 'x'\n&& b == 'y'", 9, "'&&'"),
        ("x" * 513 + " == 'a'", 1, "512"),
        ("a == '" + "x" * 1020 + "'", 1025, "1024"),
        ("é == 'x'", 1, "a label"),
    ],
)
def test_an_error_says_where_and_what_was_expected(text: str, column: int, says: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse(text)
    assert caught.value.column == column
    assert says in caught.value.message


def test_the_deepest_selector_that_fits_can_be_used() -> None:
    text = "!(" * 335 + "has(a)" + ")" * 335
    assert parse(text).matches({"a": "x"}) is False
    assert with_prefix(parse(text), "p.").decide({}, lambda _: True) is None

"""YAML is read as kubectl reads it, knows its lines, and cannot be made to explode."""

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.policy.yaml_lines import TextError, documents


def _one(text: str) -> object:
    (document,) = documents(text.encode())
    return document.data


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        ("10:20", "10:20"),
        ("1:30", "1:30"),
        ("2024-01-02", "2024-01-02"),
        ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05Z"),
        ("yes", True),
        ("off", False),
        ("y", True),
        ("'yes'", "yes"),
        ("!!str 80", "80"),
        ("~", None),
        ("", None),
        ("80", 80),
        ("-3", -3),
        ("010", 8),
        ("0o17", 15),
        ("0x50", 80),
        ("1_000", 1000),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("9" * 30, 1e30),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("089", 89.0),
        ("-", "-"),
    ],
)
def test_a_scalar_is_what_kubectl_takes_it_for(scalar: str, value: object) -> None:
    found = _one(f"key: {scalar}\n" if scalar != "-" else "key: '-'\n")
    assert found == {"key": value}
    assert type(found["key"]) is type(value)


def test_keys_are_strings_whatever_they_look_like() -> None:
    assert _one("on: 1\n80: 2\nnull: 3\n") == {"true": 1, "80": 2, "None": 3}


def test_lines_are_those_of_the_keys_and_of_the_items() -> None:
    (document,) = documents(b"# first\na:\n  b:\n  - x\n  - c: 1\n    d: 2\n")
    assert document.line_of(()) == 2
    assert document.line_of(("a", "b")) == 3
    assert document.line_of(("a", "b", 0)) == 4
    assert document.line_of(("a", "b", 1, "d")) == 6
    assert document.line_of(("a", "b", 1, "missing", "deeper")) == 5


def test_json_knows_its_lines_too() -> None:
    (document,) = documents(b'{\n\t"a": {\n\t\t"b": [1,\n2]}}')
    assert document.data == {"a": {"b": [1, 2]}}
    assert document.line_of(("a", "b", 1)) == 4
    assert document.part("a").line_of(("b",)) == 3


def test_json_with_tabs_and_several_documents_is_read_as_yaml() -> None:
    assert [item.data for item in documents(b'{"a":\t1}\n---\n{"b":\t2}\n')] == [{"a": 1}, {"b": 2}]


def test_anchors_and_merges_are_written_out() -> None:
    assert _one("base: &b {p: 1, q: 2}\nmore:\n  <<: *b\n  q: 3\n") == {
        "base": {"p": 1, "q": 2},
        "more": {"p": 1, "q": 3},
    }


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: 1\na: 2\n", 2, "duplicate key, first in line 1"),
        ("a:\n  <<: 3\n", 2, "<<"),
        ("a: !Ref b\n", 1, "!Ref"),
    ],
)
def test_a_flaw_says_its_line_and_spares_the_rest(text: str, line: int, says: str) -> None:
    (document,) = documents(text.encode())
    (flaw,) = document.flaws
    assert flaw.line == line
    assert says in flaw.reason


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, "aliases"),
        ("a: &a [*a]", "names no anchor before it, or itself"),
        ("a: *b", "names no anchor"),
        ("[" * 5000 + "]" * 5000, "levels deep"),
        ("- " * 5000 + "x", "levels deep"),
        ("{a: [}", "is no YAML"),
        ("{{- if .Values.x }}", "is no YAML"),
        ("\x00", "is no YAML"),
    ],
)
def test_a_text_that_cannot_be_read_says_why(text: str, says: str) -> None:
    with pytest.raises(TextError, match=says.replace("(", r"\(")):
        list(documents(text.encode()))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_do_anything_worse_than_a_text_error(text: bytes) -> None:
    try:
        list(documents(text))
    except TextError as error:
        assert error.line >= 1  # noqa: PT017


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=3), json_values))
def test_json_comes_back_as_it_was(value: dict[str, object]) -> None:
    (document,) = documents(orjson.dumps(value))
    assert document.data == value

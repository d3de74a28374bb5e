"""What is read in short is what is read with all care, and the lines are the same."""

import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.policy.yaml_lines import TextError, Value, _yaml
from pipeline.policy.yaml_plain import Plain, plain_documents

MANIFESTS = Path(__file__).parents[2] / "conformance" / "data" / "policies.tar.gz"
PIECES = st.sampled_from(
    [
        *(
            "a: 1",
            "b: yes",
            "'c': 0x1F",
            "- x",
            "- {d: [1, .5]}",
            "---",
            "...",
            "",
            "  e: ~",
            "  - 'f'",
            "? g",
        ),
        *("a: &i 2", "j: *i", "<<: {k: 1}", "l: !!str 3", "m: |", "   text", "1.10: n", "on: o", "# p", "}"),
        *(": h", "q: 'r", "%s"),
    ]
)


def carefully(text: bytes) -> list[Value] | None:
    try:
        return list(_yaml(text))
    except TextError:
        return None


@given(st.lists(PIECES, max_size=8).map(lambda lines: "\n".join(lines).encode()))
def test_any_text_says_the_same_or_is_left_to_careful_reading(text):
    short, careful = plain_documents(text), carefully(text)
    if short is not None:
        assert careful is not None
        assert repr([each.data for each in short]) == repr(
            [each.data for each in careful]
        )  # as a number says its type, too
        assert not any(each.flaws for each in careful)
        for ours, theirs in zip(short, careful, strict=True):
            assert_same_lines(ours, theirs, ())


def assert_same_lines(document: Plain, value: Value, place: tuple[str | int, ...]) -> None:
    assert document.line_of(place) == value.line == document.line_of((*place, "of nothing"))
    for key, part in value.parts.items():
        assert_same_lines(document, part, (*place, key))


def test_published_manifests_say_the_same_in_the_same_lines():
    in_short = 0
    with tarfile.open(MANIFESTS) as archive:
        for member in archive.getmembers():
            file = archive.extractfile(member) if member.isfile() else None
            text = file.read() if file else b""
            short, careful = plain_documents(text), carefully(text)
            if short is None or careful is None:
                continue
            in_short += 1
            for document, value in zip(short, careful, strict=True):
                assert document.data == value.data
                assert_same_lines(document, value, ())
    assert in_short > 700


@pytest.mark.parametrize(
    "text",
    [
        "a: &b 1\nc: *b",
        "<<: {a: 1}",
        "a: 1\na: 2",
        "a: !!str 1",
        "[" * 102 + "]" * 102,
        "? {a: 1}\n: b",
        "a: [",
        "a: *b",
    ],
)
def test_what_is_unusual_is_left_to_careful_reading(text):
    assert plain_documents(text.encode()) is None

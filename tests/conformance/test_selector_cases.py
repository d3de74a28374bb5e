"""Calico's selector parser and ours say the same of every case."""

from pathlib import Path

import orjson
import pytest

from pipeline.policy.selector import SelectorError, parse, with_prefix

CASES = orjson.loads((Path(__file__).parent / "data" / "selector_cases.json").read_bytes())


def test_every_selector_matches_the_labels_that_calico_says() -> None:
    wrong = [
        case
        for case in CASES["match_cases"]
        if parse(case["selector"]).matches(case["labels"]) is not case["match"]
    ]
    assert wrong == []
    assert len(CASES["match_cases"]) == 1138


@pytest.mark.parametrize("case", CASES["canonical_cases"], ids=lambda case: case["input"])
def test_canonical_form_is_calicos_string(case) -> None:
    assert parse(case["input"]).canonical == case["canonical"]


def test_canonical_forms_of_all_match_cases_are_calicos() -> None:
    wrong = [case for case in CASES["match_cases"] if parse(case["selector"]).canonical != case["canonical"]]
    assert wrong == []


def _valid(text: str) -> bool:
    try:
        parse(text)
    except SelectorError:
        return False
    return True


def test_exactly_the_selectors_that_calico_takes_are_taken() -> None:
    wrong = [case for case in CASES["validity_cases"] if _valid(case["selector"]) is not case["valid"]]
    assert wrong == []
    assert len(CASES["validity_cases"]) == 442


@pytest.mark.parametrize("case", CASES["visitor_cases"], ids=lambda case: case["selector"])
def test_a_prefix_goes_before_every_key(case) -> None:
    assert with_prefix(parse(case["selector"]), case["prefix"]).canonical == case["result"]

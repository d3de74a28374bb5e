"""The Prometheus rules speak of metrics that the workers have, and of labels that these carry."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline import metrics

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
(GROUP,) = yaml.safe_load((FOLDER / "flowtier.rules.yaml").read_text())["groups"]
TESTED = yaml.safe_load((FOLDER / "flowtier.rules.test.yaml").read_text())["tests"]
TARGET = {"job", "instance"}  # what Prometheus itself says of who answered
LABELS = {
    sample: set(metric._labelnames)
    for metric in metrics.all_metrics()
    for described in metric.describe()
    for sample in (described.name, f"{described.name}_total")
}


@pytest.mark.parametrize("rule", GROUP["rules"], ids=lambda rule: rule["alert"])
def test_an_alert_names_metrics_that_there_are_and_says_what_to_do(rule) -> None:
    named = re.findall(r"\bflowtier_\w+", rule["expr"])
    assert named
    assert all(name in LABELS for name in named)
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["do"]


@pytest.mark.parametrize("rule", GROUP["rules"], ids=lambda rule: rule["alert"])
def test_an_alert_is_tested_where_it_fires_and_where_it_is_silent(rule) -> None:
    """`promtool test rules` runs those tests."""
    cases = [case for test in TESTED for case in test["alert_rule_test"]]
    fires = {bool(case.get("exp_alerts")) for case in cases if case["alertname"] == rule["alert"]}
    assert fires == {True, False}


def test_the_series_of_the_rules_tests_are_those_of_the_workers() -> None:
    for series in (each["series"] for test in TESTED for each in test["input_series"]):
        name, _, labels = series.partition("{")
        assert set(re.findall(r"(\w+)=", labels)) - TARGET <= LABELS[name], series

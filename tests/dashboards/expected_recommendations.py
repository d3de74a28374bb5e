"""What the panels of Recommendations should say of what was recommended."""

from typing import Any

from tests.dashboards.counting import Row
from tests.dashboards.questions import at
from tests.dashboards.sample import Sample

_FIGURES = {
    "Rules": "rule_count",
    "Connections learned from": "connections",
    "Days seen": "status.days",
    "Hours of the week seen": "status.hours_of_week",
    "Allows of later traffic": "score.replay.recall",
    "Cuts (connections)": "score.replay.cut",
    "Opens (pairs)": "score.opened.pairs",
    "Opens (addresses)": "score.opened.addresses",
    "Opens by namespace (pairs)": "score.namespace_opened.pairs",
    "Risks": "risk_count",
}
_COLUMNS = ("name", "status.word", "status.reason", "manifest")


def policies(sample: Sample) -> list[Row]:
    names = {"Namespace": "namespace", "Policy": "name", "Status": "status.word", "Why": "status.reason"}
    return [
        {label: at(each, name) for label, name in (names | _FIGURES).items()}
        for each in sample.recommendations
    ]


def would_cut(sample: Sample) -> list[Row]:
    return [
        {"Policy": each["name"], "Edge": edge, "Clusters": 1}
        for each in sample.recommendations
        for edge in at(each, "score.would_cut") or ()
    ]


def warnings(sample: Sample) -> list[Row]:
    return [
        {"Warning": warning, "Policy": each["name"], "Connections learned from": each["connections"]}
        for each in sample.recommendations
        for warning in each["warnings"]
    ]


EXPECTED: dict[str, Any] = {
    "Recommended": lambda sample: [{"Policies recommended": len(sample.recommendations)}],
    "Ready for review": lambda sample: [
        {"Ready for review": sum(at(each, "status.word") == "Stable" for each in sample.recommendations)}
    ],
    "With cuts": lambda sample: [
        {"Would cut later traffic": sum(bool(at(each, "score.would_cut")) for each in sample.recommendations)}
    ],
    "With risks": lambda sample: [
        {"Hold a rule seen once only": sum(each["risk_count"] > 0 for each in sample.recommendations)}
    ],
    "Policies": policies,
    "What they would cut": would_cut,
    "Warnings": warnings,
    "Manifests": lambda sample: [
        {name: at(each, name) for name in _COLUMNS} for each in sample.recommendations
    ],
}

"""What the panels of Flow Logs should say."""

from typing import Any

from tests.dashboards.counting import Row, table, total
from tests.dashboards.questions import at
from tests.dashboards.sample import Sample

COLUMNS = (
    *("source_namespace", "source_name_aggr", "dest_namespace", "dest_name_aggr"),
    *("proto", "dest_port", "reporter", "action", "verdict.enforced.action", "verdict.impact"),
    *("verdict.enforced.trace", "verdict.promoted.trace"),
)


def decided(sample: Sample) -> list[Row]:
    by = {
        "Tier": "verdict.enforced.tier",
        "Policy": "verdict.enforced.policy",
        "Verdict": "verdict.enforced.action",
    }
    figures = {"Flows": total("flows"), "Connections begun": total("connections")}
    return table(sample, by, figures, missing=["verdict.enforced.tier"])


def over_time(sample: Sample) -> list[Row]:
    by = {"@timestamp": "half_hour", "Impact": "verdict.impact"}
    return table(sample, by, {"Flows": total("flows")}, missing=["verdict.impact"])


def flows(sample: Sample) -> list[Row]:
    return [{name: at(each, name) for name in COLUMNS} for each in sample.flows]


EXPECTED: dict[str, Any] = {"Flows over time": over_time, "Decided by": decided, "Flows": flows}

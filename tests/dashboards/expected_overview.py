"""What the panels of Overview should say."""

from functools import partial
from typing import Any

from tests.dashboards.counting import (
    Figure,
    Row,
    Where,
    both,
    distinct,
    has,
    latest,
    share,
    table,
    total,
    total_where,
)
from tests.dashboards.sample import Sample

JUDGED = has("verdict.enforced.action")
DENIED = has("action", "deny")
COUNTED = has("counted", True)
_LACKS = {
    "1 Addresses": ("source_ip", "dest_ip"),
    "2 Ports": ("source_port", "dest_port", "protocol"),
    "3 Facts": (
        *("pod", "labels", "named_ports", "service_account"),
        *("namespace", "network_set", "type"),
    ),
    "4 Endpoint slices": ("endpoint_slice",),
    "5 Domains": ("domain",),
    "6 Too many cases": ("too_many", "contradiction"),
}
_TALK: dict[str, Figure] = {
    "Connections": total("connections"),
    "Sent by the client": total("bytes_client"),
    "Sent by the server": total("bytes_server"),
}


def one(figures: dict[str, Figure], where: Where, sample: Sample) -> list[Row]:
    """A metric: one row."""
    return table(sample, {}, figures, where)


def over_time(label: str, name: str, figure: str, where: Where, sample: Sample) -> list[Row]:
    figures = {figure.capitalize(): total(figure)}
    return table(sample, {"@timestamp": "hour", label: name}, figures, where)


def changes(sample: Sample) -> list[Row]:
    denied = has("verdict.impact", "newly_denied")
    figures = {
        "Would be denied at the source": total_where(
            "connections", both(denied, has("verdict.direction", "egress"))
        ),
        "Would be denied at the destination": total_where(
            "connections", both(denied, has("verdict.direction", "ingress"))
        ),
        "Would be allowed": total_where("connections", has("verdict.impact", "newly_allowed")),
    }
    return table(sample, {"@timestamp": "hour"}, figures)


def denied_by_workload(sample: Sample) -> list[Row]:
    by = {"Workload": "workload", "Direction": "verdict.direction", "Policy": "verdict.enforced.policy"}
    figures = {"Connections": total("connections"), "Edges": distinct("edge")}
    return table(sample, by, figures, DENIED, ["verdict.enforced.policy"])


def disagreement(sample: Sample) -> list[Row]:
    by = {
        "Workload": "workload",
        "Policy by our verdict": "verdict.enforced.policy",
        "The node did": "action",
        "We say": "verdict.enforced.action",
    }
    figures = {"Flows": total("flows"), "Last": latest}
    where = has("verdict.agrees", "action", "rule")
    return table(sample, by, figures, where, ["verdict.enforced.policy"])


def rejects(sample: Sample) -> list[Row]:
    groups: dict[tuple[str, str], list[Any]] = {}
    for each in sample.rejects:
        groups.setdefault((each["stage"], each["kind"]), []).append(each)
    return [
        {
            "Stage": stage,
            "Reason": kind,
            "Rejects": len({each["origin"] for each in group}),
            "Last": max(each["at"] for each in group),
        }
        for (stage, kind), group in groups.items()
    ]


EXPECTED: dict[str, Any] = {
    "Connections": partial(one, {"Connections": total("connections")}, COUNTED),
    "Bytes": partial(one, {"Bytes": total("bytes")}, COUNTED),
    "Denied by the nodes": partial(one, {"Connections denied by the nodes": total("connections")}, DENIED),
    "Edges that would be denied": partial(
        one, {"Edges that would be denied": distinct("edge")}, has("verdict.impact", "newly_denied")
    ),
    "Unknown": partial(one, {"Flows with something unknown": share(has("verdict.unknown"))}, JUDGED),
    "Agreement": partial(
        one,
        {"Agreement with the nodes": share(has("verdict.agrees", "yes"))},
        has("verdict.agrees", "yes", "action", "rule"),
    ),
    "Verdicts over time": partial(over_time, "Verdict", "verdict.enforced.action", "flows", JUDGED),
    "Denied over time": partial(over_time, "Direction", "verdict.direction", "connections", DENIED),
    "Would be denied, would be allowed over time": changes,
    "Denied, by workload": denied_by_workload,
    "Top callers": lambda sample: table(
        sample, {"Workload": "workload"}, _TALK, both(COUNTED, has("reporter", "src"))
    ),
    "Top called": lambda sample: table(sample, {"Workload": "workload"}, _TALK, has("reporter", "dst")),
    "Agreement over time": partial(over_time, "Agrees", "verdict.agrees", "flows", has("verdict.agrees")),
    "Real disagreement": disagreement,
    "Rejects": rejects,
    "Unknown, by reason": lambda sample: table(
        sample,
        {"Missing": "verdict.unknown"},
        {"Flows": total("flows"), "Workloads": distinct("workload")},
    ),
    "What would shrink the unknown": lambda sample: table(
        sample,
        {"Cluster": "cluster"},
        {label: share(has("verdict.unknown", *lacks)) for label, lacks in _LACKS.items()},
        JUDGED,
    ),
}

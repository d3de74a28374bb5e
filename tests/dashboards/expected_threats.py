"""What the panels of Threats should say."""

from typing import Any

from tests.dashboards.counting import (
    Row,
    both,
    distinct,
    earliest,
    has,
    latest,
    share,
    table,
    total,
    total_where,
)
from tests.dashboards.expected_overview import DENIED, JUDGED
from tests.dashboards.sample import Sample

THREAT = has("threats")
_ALLOWED = total_where("connections", has("action", "allow"))
_DENIED = total_where("connections", DENIED)


def who(sample: Sample) -> list[Row]:
    by = {"Workload": "workload", "Threat feed": "threats", "Direction": "verdict.direction"}
    figures = {"Connections": total("connections"), "Allowed": _ALLOWED, "Denied": _DENIED, "Last": latest}
    return table(sample, by, figures)


def scans(sample: Sample) -> list[Row]:
    by = {"Namespace": "source_namespace", "Source": "source_workload"}
    figures = {
        "Edges denied": distinct("edge"),
        "Ports": distinct("dest_port"),
        "Peers": distinct("dest_workload"),
        "Connections": total("connections"),
        "Last": latest,
    }
    return table(sample, by, figures, DENIED)


def scanned(sample: Sample) -> list[Row]:
    by = {"Namespace": "dest_namespace", "Target": "dest_workload"}
    figures = {
        "Edges denied": distinct("edge"),
        "Ports": distinct("dest_port"),
        "Sources": distinct("source_workload"),
        "Connections": total("connections"),
    }
    return table(sample, by, figures, DENIED)


def external(sample: Sample) -> list[Row]:
    by = {
        "Workload": "workload",
        "Domain": "dest_domains",
        "Network set or kind": "dest_workload",
        "Port": "dest_port",
    }
    figures = {
        "First seen": earliest,
        "Last": latest,
        "Connections": total("connections"),
        "Sent out": total("bytes_client"),
    }
    where = both(has("reporter", "src"), has("dest_type", "net", "ns"), has("action", "allow"))
    return table(sample, by, figures, where, ["dest_domains"])


def no_policy(sample: Sample) -> list[Row]:
    profile = has("verdict.enforced.tier", "__PROFILE__")
    figures = {
        "Flows": total("flows"),
        "Workloads": distinct("workload"),
        "Egress without a policy": share(profile, has("verdict.direction", "egress")),
        "Ingress without a policy": share(profile, has("verdict.direction", "ingress")),
    }
    return table(sample, {"Namespace": "verdict.namespace"}, figures, JUDGED)


EXPECTED: dict[str, Any] = {
    "Connections with threat feeds": lambda sample: table(
        sample,
        {},
        {"Connections with threat feeds": total("connections"), "allowed": _ALLOWED},
        THREAT,
    ),
    "Threats over time": lambda sample: table(
        sample, {"@timestamp": "hour", "Action": "action"}, {"Connections": total("connections")}, THREAT
    ),
    "Who talks with threat feeds": who,
    "Scans, by source": scans,
    "Scanned, by target": scanned,
    "New external peers": external,
    "No policy": no_policy,
}

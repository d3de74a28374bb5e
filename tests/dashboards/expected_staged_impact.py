"""What the panels of Staged Policy Impact should say."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from pipeline.applies_to import AppliesTo
from pipeline.impact import summarise
from pipeline.policy.policies import Policy
from pipeline.readiness import Figures, readiness
from pipeline.readiness_section import ReadinessLimits
from tests.dashboards.counting import (
    DAY_MS,
    HOUR_MS,
    Record,
    Row,
    distinct,
    earliest,
    has,
    larger,
    latest,
    records,
    table,
    total,
    values,
)
from tests.dashboards.sample import END, Sample

DENY, ALLOW, UNKNOWN = "verdict.staged_deny", "verdict.staged_allow", "verdict.staged_unknown"
POLICY = "Staged policy"
_SEEN = {
    "Flows": total("flows"),
    "Distinct edges": distinct("edge"),
    "First seen": earliest,
    "Last seen": latest,
}


def alone(effect: str, sample: Sample) -> list[Row]:
    """By the summary that `judge --summary` prints."""
    name = effect.removeprefix("verdict.")
    rows = []
    for policy, effects in summarise(sample.flows).staged.items():
        edges, connections, size = effects[name].totals
        if edges:
            rows.append({POLICY: policy, "Connections": connections, "Bytes": size, "Distinct edges": edges})
    return rows


def flows(effect: str, sample: Sample) -> list[Row]:
    return table(sample, {POLICY: effect}, _SEEN)


def by_day(effect: str, sample: Sample) -> list[Row]:
    return table(sample, {"Day": "day", POLICY: effect}, {"Distinct edges": distinct("edge")}, has(effect))


def edges(effect: str, sample: Sample) -> list[Row]:
    by = {
        POLICY: effect,
        "From namespace": "source_namespace",
        "From": "source_workload",
        "To namespace": "dest_namespace",
        "To": "dest_workload",
        "Protocol": "proto",
        "Port": "dest_port",
    }
    figures = {
        "Flows": total("flows"),
        "Connections": larger("connections"),
        "Bytes": larger("bytes"),
        "First seen": earliest,
        "Last seen": latest,
    }
    return table(sample, by, figures)


def unknown(sample: Sample) -> list[Row]:
    return table(sample, {POLICY: UNKNOWN, "What is missing": "verdict.unknown"}, _SEEN)


def ready(sample: Sample) -> list[Row]:
    return [
        {
            POLICY: name,
            "Readiness": _word(told),
            "Reason": readiness(told, ReadinessLimits()).reason,
            "Edges cut": told.edges_cut,
            "Days seen": told.days,
            "Hours of the week seen": told.hours_of_week,
            "Share unknown": told.unknown_share,
            "Workloads": told.workloads,
            "Without a flow": len(told.silent_workloads),
        }
        for name, told in _figures(sample)
    ]


def silent(sample: Sample) -> list[Row]:
    return [
        {POLICY: name, "Workload": workload, "Of how many": len(told.silent_workloads)}
        for name, told in _figures(sample)
        for workload in told.silent_workloads
    ]


def _word(told: Figures) -> str:
    """A day and a bit is too short for any policy to be called safe."""
    if told.edges_cut:
        return "would cut traffic"
    return "unknown" if told.unknown_share > ReadinessLimits().unknown_share else "not enough seen"


def _figures(sample: Sample) -> Iterator[tuple[str, Figures]]:
    summary = summarise(sample.whole.flows)
    judged = [each for each in records(sample.whole) if values(each, "verdict.enforced.action")]
    watched = {_hour_of_week(each) for each in judged}
    applies_to = AppliesTo(sample.facts, END.timestamp())
    by_key = {policy.key: policy for policy in sample.policies.policies}
    for policy in sample.policies.policies:
        if not policy.key.staged:
            continue
        name = str(policy.key)
        twin = by_key.get(policy.key.twin)
        touched = [policy, *([twin] if twin else [])]
        workloads = {each for one in touched for each in applies_to.workloads(one)}
        ours = [each for each in judged if _is_of(each, workloads, touched)]
        of_unknown = [each for each in judged if name in values(each, UNKNOWN)]
        seen = {each["workload"] for each in ours}
        effects = summary.policy(name)
        cut, connections, size = effects["staged_deny"].totals
        opened, opened_connections, _ = effects["staged_allow"].totals
        hours = {_hour_of_week(each) for each in ours}
        told = Figures(
            days=len({each["@timestamp"] // DAY_MS for each in ours}),
            hours_of_week=len(hours),
            hours_of_week_active=len(hours),
            hours_of_week_watched=len(watched),
            edges_cut=cut,
            connections_cut=connections,
            bytes_cut=size,
            edges_opened=opened,
            connections_opened=opened_connections,
            flows_judged=len(ours),
            flows_unknown=len(of_unknown),
            unknown_reasons=effects["staged_unknown"].reasons,
            flows_disagreeing=sum(each["verdict"].get("agrees") == "action" for each in ours),
            workloads=len(workloads),
            silent_workloads=tuple(sorted(workloads - seen)),
        )
        if _is_chosen(sample, policy, workloads, touched, told):
            yield name, told


def _is_chosen(
    sample: Sample, policy: Policy, workloads: set[str], touched: list[Policy], told: Figures
) -> bool:
    """Whether a control left it: one of its namespaces, sides, effects, or the policy itself."""
    counts = {
        "newly_denied": told.edges_cut,
        "newly_allowed": told.edges_opened,
        "unknown": told.flows_unknown,
    }
    sides = {"src": "egress", "dst": "ingress"}
    said: dict[str, set[str]] = {
        "cluster": {sample.cluster},
        "verdict.namespace": {each.partition("/")[0] for each in workloads},
        "reporter": {side for side, way in sides.items() if any(way in each.types for each in touched)},
        "verdict.enforced.tier": {policy.tier},
        "verdict.impact": {name for name, count in counts.items() if count} or {"none"},
        DENY: {str(policy.key)},
        ALLOW: {str(policy.key)},
    }
    return sample.chosen is None or sample.chosen[1] in said[sample.chosen[0]]


def _is_of(record: Record, workloads: set[str], policies: list[Policy]) -> bool:
    directions = {direction for each in policies for direction in each.types}
    return record["workload"] in workloads and record["verdict"]["direction"] in directions


def _hour_of_week(record: Record) -> int:
    return record["@timestamp"] // HOUR_MS % 168


EXPECTED: dict[str, Any] = {
    "Readiness": ready,
    "Workloads without a flow": silent,
    "What is unknown, and why": unknown,
    "Alone it would deny": partial(alone, DENY),
    "Alone it would allow": partial(alone, ALLOW),
    "Flows that it would deny": partial(flows, DENY),
    "Flows that it would allow": partial(flows, ALLOW),
    "Distinct edges that would be denied, by day": partial(by_day, DENY),
    "Distinct edges that would be allowed, by day": partial(by_day, ALLOW),
    "Edges that would be denied": partial(edges, DENY),
    "Edges that would be allowed": partial(edges, ALLOW),
}

"""What the answers to the Vega panels should say, level by level."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.dashboards.counting import (
    Figure,
    Record,
    Row,
    both,
    has,
    latest,
    records,
    table,
    total,
    total_where,
)
from tests.dashboards.expected_overview import COUNTED
from tests.dashboards.sample import Document, Sample
from tests.dashboards.vega import PLACE

VERDICTS = ("threat", "denied", "staged deny", "unknown", "allowed")
_REPORTED = has("reporter", "src", "dst")
_SIZE: dict[str, Figure] = {"size": total("connections")}
_LINK: dict[str, Figure] = {
    **_SIZE,
    "src.connections": total_where("connections", has("reporter", "src")),
    "counted.connections": total_where("connections", COUNTED),
    "counted.client": total_where("bytes_client", COUNTED),
    "counted.server": total_where("bytes_server", COUNTED),
}
_NAMESPACES = {"verdicts": "verdict_word", "namespaces": "source_namespace"}
_FROM = {"verdicts": "verdict_word", "from": "source_namespace", "workloads": "source_workload"}
_INTO = {"verdicts": "verdict_word", "into": "dest_namespace", "workloads": "dest_workload"}
_RING = {**_NAMESPACES, "workloads": "source_workload", "dest_namespaces": "dest_namespace"}


def verdict_word(record: Record) -> str:
    """The worst that is true of it."""
    if record["threats"]:
        return "threat"
    if has("action", "deny")(record) or has("verdict.enforced.action", "deny")(record):
        return "denied"
    if has("verdict.staged_deny")(record) or has("verdict.impact", "newly_denied")(record):
        return "staged deny"
    if not has("verdict.enforced.action", "allow")(record) or has("verdict.impact", "unknown")(record):
        return "unknown"
    return "allowed"


def graph(sample: Sample) -> list[Row]:
    peers = [("peers", "dest_namespace"), ("types", "dest_type")]
    callers = [("peers", "source_namespace"), ("types", "source_type")]
    return [
        *_verdicts(sample),
        *_level(sample, [*_NAMESPACES.items()], _SIZE),
        *_level(sample, [*_NAMESPACES.items(), ("types", "source_type"), *peers[:1]], _SIZE),
        *_level(sample, [*_NAMESPACES.items(), ("types", "source_type"), *peers], _LINK),
        *_level(sample, [*_FROM.items()][:2], _SIZE),
        *_level(sample, [*_FROM.items()], _SIZE),
        *_level(sample, [*_FROM.items(), *peers[:1]], _SIZE),
        *_level(sample, [*_FROM.items(), *peers], _LINK),
        *_level(sample, [*_FROM.items(), *peers, ("workloads", "dest_workload")], _LINK),
        *_level(sample, [*_INTO.items()][:2], _SIZE),
        *_level(sample, [*_INTO.items()], _SIZE),
        *_level(sample, [*_INTO.items(), *callers[:1]], _SIZE),
        *_level(sample, [*_INTO.items(), *callers], _LINK),
    ]


def rings(sample: Sample) -> list[Row]:
    ring = [*_RING.items(), ("dest_workloads", "dest_workload"), ("ports", "dest_port")]
    inner = [row for length in range(2, len(ring) + 1) for row in _level(sample, ring[:length], _SIZE)]
    return [*_verdicts(sample), *inner, *_level(sample, [*ring, ("protocols", "proto")], _LINK)]


def _verdicts(sample: Sample) -> Iterator[Row]:
    """Those without a flow, too: a filter is a bucket whatever it finds."""
    for word in VERDICTS:
        of_word = lambda record, word=word: verdict_word(record) == word
        [row] = table(sample, {}, _SIZE, both(_REPORTED, of_word))
        yield {"at": "verdicts", "keys": (word,), **row}


def _level(sample: Sample, path: list[tuple[str, str]], figures: dict[str, Figure]) -> Iterator[Row]:
    """`path`: the field of each aggregation."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in filter(_REPORTED, records(sample)):
        said = record | {"verdict_word": verdict_word(record)}
        key = tuple(said[name] for _, name in path)
        # What is no workload and in no namespace is nobody's own level.
        if not (path[1][0] in {"from", "into"} and key[1] == "-"):
            groups.setdefault(key, []).append(said)
    at = ">".join(name for name, _ in path)
    for key, group in groups.items():
        yield {"at": at, "keys": key, **{name: figure(group) for name, figure in figures.items()}}


def policies(sample: Sample) -> list[Row]:
    """In the order of their tiers and in these of their own, without an order last, then by name."""
    orders = {tier.name: _place(tier.order, tier.name) for tier in sample.policies.tiers}
    ordered = sorted(
        sample.policies.policies,
        key=lambda each: (orders[each.tier], _place(each.order, each.key.name), str(each.key)),
    )
    listed = [
        dict(zip(PLACE, (place, each.tier, str(each.key), each.key.staged), strict=True))
        | {"namespace": each.key.namespace, "cluster": sample.cluster}
        for place, each in enumerate(ordered)
    ]
    shown = [tuple(each[name] for name in PLACE) for each in listed if _is_chosen(sample, each)]
    key = (sample.cluster, sample.policies.revision)
    return [{"at": "clusters>revisions", "keys": key, "number": 1, "policies": shown}] if shown else []


def rules(sample: Sample) -> list[Row]:
    observed = [each for each in sample.rules if _is_chosen(sample, each)]
    by_policy = partial(_summed, observed, ("policy",))
    hits = {"hits": total("flows")}
    figures = {
        **hits,
        "possible": total("possible"),
        "connections": total("connections"),
        "last": latest,
    }
    by_rule = ("policy", "direction", "rule")
    return [
        *by_policy("clusters>policies", figures),
        *_summed(observed, by_rule, "clusters>policies>directions>rules", hits),
    ]


def _summed(
    observed: list[Document], by: tuple[str, ...], at: str, figures: dict[str, Figure]
) -> Iterator[Row]:
    groups: dict[tuple[Any, ...], list[Document]] = {}
    for each in observed:
        groups.setdefault((each["cluster"], *(each[name] for name in by)), []).append(each)
    for key, group in groups.items():
        yield {"at": at, "keys": key, **{name: figure(group) for name, figure in figures.items()}}


def _place(order: float | None, name: str) -> tuple[bool, float, str]:
    return order is None, order or 0, name


def _is_chosen(sample: Sample, document: Document) -> bool:
    if sample.chosen is None:
        return True
    name, value = sample.chosen
    said = document[name]
    return (str(said).lower() if isinstance(said, bool) else said) == value


EXPECTED: dict[str, dict[str, Any]] = {
    "flowtier-service-graph": {"Service graph": graph},
    "flowtier-flowviz": {"FlowViz": rings},
    "flowtier-policy-board": {
        "Policies in their order#policies_response": policies,
        "Policies in their order#rules_response": rules,
    },
}

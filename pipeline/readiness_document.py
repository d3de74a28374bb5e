"""How ready a staged policy is ▸ its document: what the dashboards show, and where it stands."""

from collections.abc import Iterator
from typing import Any

import msgspec

from pipeline.carried_filters import reporters_of
from pipeline.readiness import Figures, Readiness
from pipeline.staged_policies import Staged

# Of two workers that tell of the same policy the later one is right; a document that was written again at
# the same time is the same.
_VERSION = "external_gte"


def document_of(
    staged: Staged, figures: Figures, told: Readiness, cluster: str, revision: str, at: int
) -> dict[str, Any]:
    """`at`: ms since the epoch."""
    reasons = figures.unknown_reasons
    return {
        "@timestamp": at,
        "cluster": cluster,
        "revision": revision,
        "policy": staged.policy,
        "tier": staged.tier,
        "namespace": staged.namespace,
        "word": told.word,
        "reason": told.reason,
        "days": figures.days,
        "hours_of_week": figures.hours_of_week,
        "edges_cut": figures.edges_cut,
        "connections_cut": figures.connections_cut,
        "bytes_cut": figures.bytes_cut,
        "edges_opened": figures.edges_opened,
        "connections_opened": figures.connections_opened,
        "flows_judged": figures.flows_judged,
        "flows_unknown": figures.flows_unknown,
        "unknown_share": figures.unknown_share,
        "flows_disagreeing": figures.flows_disagreeing,
        "unknown_reasons": sorted(reasons, key=lambda each: (-reasons[each], each)),
        "workloads": figures.workloads,
        "workloads_without_flows": len(figures.silent_workloads),
        "silent_workloads": figures.silent_workloads,
        "first": figures.first,
        "last": figures.last,
        "reporter": reporters_of(staged.directions),
        "verdict": {
            "namespace": sorted({workload.partition("/")[0] for workload in staged.workloads}),
            "impact": list(_impacts(figures)),
        },
    }


def _impacts(figures: Figures) -> Iterator[str]:
    """What it would do to some flow, in the words of verdicts."""
    counts = {
        "newly_denied": figures.edges_cut,
        "newly_allowed": figures.edges_opened,
        "unknown": figures.flows_unknown,
    }
    found = [impact for impact, count in counts.items() if count]
    yield from found or ["none"]


def bulk_lines(index: str, documents: list[dict[str, Any]], gone: list[str], at: int) -> bytes:
    """One `_bulk` request: the documents by their policies, and those deleted that are of none any more."""
    lines = []
    for document in documents:
        lines += [{"index": _place(index, document["policy"], at)}, document]
    lines += [{"delete": _place(index, policy, at)} for policy in gone]
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def _place(index: str, policy: str, at: int) -> dict[str, Any]:
    return {"_index": index, "_id": policy, "version": at, "version_type": _VERSION}

"""The labels of the workloads that a batch named, as far as its records and the facts prove them."""

from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.evidence import CALICO, SERVICE_ACCOUNT
from pipeline.flow import Endpoint, FlowBatch
from pipeline.identity import Side
from pipeline.inherited import INHERITED
from pipeline.resolve import Resolved

type Pairs = frozenset[tuple[str, str]]


def labels_by_endpoint(batch: FlowBatch, resolved: Resolved) -> list[Pairs | None]:
    """The labels of each of the batch's endpoints that everyone has whom it may have been; None where it
    took part in no flow. Of Calico's own labels that of the service account; none that is inherited."""
    count = len(resolved.sides)
    ends = np.concatenate((batch.source, batch.dest)) * count
    pairs = np.unique(ends + np.concatenate((resolved.source, resolved.dest)))
    found: list[Pairs | None] = [None] * len(batch.endpoints)
    for endpoint, side in (divmod(pair, count) for pair in pairs.tolist()):
        labels, before = _common(resolved.sides[side]), found[endpoint]
        found[endpoint] = labels if before is None else before & labels
    return found


def labels_by_workload(
    workloads: Sequence[int], endpoints: Sequence[Endpoint], labels: Sequence[Pairs | None]
) -> dict[int, Pairs]:
    """What all endpoints of a workload have in common, by the workload's number; only what has labels.

    Of an endpoint without any nobody knew them, hardly a pod has none: it says nothing of the others.
    """
    found: dict[int, Pairs] = {}
    known: set[int] = set()
    for workload, endpoint, own in zip(workloads, endpoints, labels, strict=True):
        if own is None or endpoint.type not in ("wep", "hep"):
            continue
        if own:
            found[workload] = found[workload] & own if workload in known else own
            known.add(workload)
        else:
            found.setdefault(workload, own)
    return found


def _common(side: Side) -> Pairs:
    own = [frozenset(_own(candidate.identity.labels)) for candidate in side.candidates if candidate.identity]
    return frozenset.intersection(*own) if own else frozenset()


def _own(labels: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for key, value in labels:
        if key == SERVICE_ACCOUNT or not key.startswith((*INHERITED, CALICO)):
            yield key, value

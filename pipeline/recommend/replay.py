"""Edges judged again, as flows of the cluster as it is now, by whatever policies."""

from collections.abc import Iterable, Mapping

import numpy as np
import orjson

from pipeline.flow import REPORTERS, Endpoint, FlowBatch, Ints, Logged
from pipeline.judge import Judge
from pipeline.match.verdict import Outcome
from pipeline.own_host import NO
from pipeline.recommend.learned import SEVERAL, Described, EdgeKey, Learned, Who

_NOT_TOLD = Described(None, {})


def judge_edges(
    namespace: str, keys: Iterable[EdgeKey], learned: Learned, judge: Judge
) -> dict[EdgeKey, Outcome]:
    """What the judge says of each edge at its own side.

    An edge stands for traffic that comes again: it is judged by the pods that its workloads have now, or
    had last. A host that asks its own pod is not among what was learned.
    """
    edges = list(keys)
    if not edges:
        return {}
    batch = _batch(namespace, edges, learned.workloads)
    resolved = judge.resolve(batch)
    resolved.own_host[:] = NO
    verdicts = judge.evaluate(batch, resolved)
    return {
        key: verdicts.outcomes[outcome] for key, outcome in zip(edges, verdicts.outcome.tolist(), strict=True)
    }


def _batch(namespace: str, edges: list[EdgeKey], workloads: Mapping[Who, Described]) -> FlowBatch:
    endpoints: dict[Endpoint, int] = {}
    domains: dict[tuple[str, ...] | None, int] = {}
    local, peer, times = [], [], []
    for key in edges:
        own = Who("wep", namespace, key.workload)
        other = Who(key.peer_type, key.peer_namespace, key.peer)
        # A moment before: what ended with its last flow was still there.
        at = min(_last(workloads, own), _last(workloads, other)) - 1
        times.append(at)
        local.append(endpoints.setdefault(_workload(own, workloads, at), len(endpoints)))
        peer.append(endpoints.setdefault(_peer(key, other, workloads, at), len(endpoints)))
    egress = np.array([key.direction == "egress" for key in edges])
    here, there = np.array(local, np.int64), np.array(peer, np.int64)
    zeros = np.zeros(len(edges), np.int64)
    return FlowBatch(
        raw=[b""] * len(edges),
        ids=[""] * len(edges),
        start=np.array(times, np.int64),
        end=np.array(times, np.int64),
        timed=np.ones(len(edges), np.bool_),
        reporter=_coded(egress, REPORTERS.index("src"), REPORTERS.index("dst")),
        action=zeros,
        proto=np.array([key.protocol for key in edges], np.int64),
        source_port=np.full(len(edges), -1, np.int64),
        dest_port=np.array([key.port for key in edges], np.int64),
        source=np.where(egress, here, there),
        dest=np.where(egress, there, here),
        endpoints=list(endpoints),
        host=zeros,
        hosts=[""],
        service=zeros,
        services=[("", "", "")],
        domain=np.array([domains.setdefault(key.domains, len(domains)) for key in edges], np.int64),
        domains=list(domains),
        logged=zeros,
        logs=[Logged(None)],
        bytes_in=zeros,
        bytes_out=zeros,
        packets_in=zeros,
        packets_out=zeros,
        num_flows=zeros,
        num_flows_started=zeros,
        num_flows_completed=zeros,
    )


def _coded(mask: np.ndarray, yes: int, no: int) -> Ints:
    return np.where(mask, yes, no).astype(np.int64)


def _last(workloads: Mapping[Who, Described], who: Who) -> int:
    """When a workload was seen last, ms since the epoch; what is none is always there."""
    names = workloads.get(who, _NOT_TOLD).names
    return max(names.values(), default=2**52)


def _workload(who: Who, workloads: Mapping[Who, Described], at: int) -> Endpoint:
    """By the name that it had at a time: the one that was seen last no earlier."""
    told = workloads.get(who, _NOT_TOLD)
    since = [(last, name) for name, last in told.names.items() if last >= at]
    name = min(since)[1] if since else who.name
    labels = [f"{key}={value}" for key, value in (told.labels or {}).items()]
    raw = orjson.dumps({"labels": labels}) if told.labels is not None else None
    return Endpoint(who.type, who.namespace, "", name, "", raw)


def _peer(key: EdgeKey, who: Who, workloads: Mapping[Who, Described], at: int) -> Endpoint:
    if key.peer_type in ("wep", "hep"):
        return _workload(who, workloads, at)
    address = "" if key.peer_ip == SEVERAL else key.peer_ip
    return Endpoint(key.peer_type, key.peer_namespace, "", key.peer, address, None)

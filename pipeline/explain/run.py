"""A flow's record ▸ why each revision allows or denies it, at its source and at its destination."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pipeline.decode import decode
from pipeline.evidence import kind_of
from pipeline.explain.report import AtEnd, EndSaid, Explanation, UnderRevision, VerdictSaid
from pipeline.explain.typed import FlowError
from pipeline.facts import Facts
from pipeline.flow import Endpoint, FlowBatch, Message
from pipeline.identity import Side
from pipeline.judge import DIRECTIONS, Judge
from pipeline.match.complete import OpenFlow
from pipeline.match.explain import SCOPES, explain
from pipeline.match.rule import LabelledSet
from pipeline.match.verdict import Decision, Outcome
from pipeline.policy.policies import Policies
from pipeline.resolve import Resolved
from pipeline.who import PROTOCOL_WORDS

MOST = 1024  # completions whose every rule is looked at
OWN_HOSTS = {1: True, 0: False, -1: None}
SHOWN = 50  # addresses


class World(msgspec.Struct, frozen=True):
    """Policies by the name of their source, and what is known of the cluster beside them."""

    name: str
    policies: Policies
    facts: Facts


def record_of(value: bytes) -> dict[str, Any]:
    """The record in one line of JSON. Raises FlowError where it is no flow."""
    decoded = decode([Message(value, "flow", 0, 0, 0)])
    if decoded.rejects:
        raise FlowError(f"no flow that can be read: {decoded.rejects[0].reason}")
    if len(decoded.batch) != 1:
        raise FlowError(f"one flow is explained at a time, and here are {len(decoded.batch)}")
    record: dict[str, Any] = msgspec.json.decode(decoded.batch.raw[0])
    return record


def explain_flow(
    record: dict[str, Any], worlds: Sequence[World], reporters: Sequence[str], max_cells: int
) -> Explanation:
    """The flow under each of the revisions, at the ends that `reporters` (src, dst) are."""
    said = {key: value for key, value in record.items() if key not in ("policies", "verdict")}
    return Explanation(
        {key: value for key, value in said.items() if not key.endswith("_labels")},
        tuple(
            UnderRevision(
                world.name,
                world.policies.revision,
                tuple(
                    _at_end(_as_of(record, reporter, world.facts), world, max_cells) for reporter in reporters
                ),
            )
            for world in worlds
        ),
    )


def _as_of(record: dict[str, Any], reporter: str, facts: Facts) -> FlowBatch:
    """The record as that end's node would have logged it."""
    mine = {**record, "reporter": reporter}
    if reporter != record.get("reporter"):
        pods = facts.pods_named(record.get("dest_namespace") or "", record.get("dest_name") or "")
        nodes = {version.fact.node for version in pods}
        known = nodes.pop() if len(nodes) == 1 else record.get("host")
        mine["host"] = known if reporter == "dst" else None
    stamp = record.get("@timestamp")  # of a document; else a record without times is one of now
    at = stamp if isinstance(stamp, int) else int(time.time() * 1000)
    return decode([Message(msgspec.json.encode(mine), "flow", 0, 0, at)]).batch


def _at_end(batch: FlowBatch, world: World, max_cells: int) -> AtEnd:
    judge = Judge(world.policies, world.facts, "", 0, max_cells)
    resolved = judge.resolve(batch)
    verdicts = judge.evaluate(batch, resolved)
    outcome = verdicts.outcomes[int(verdicts.outcome[0])]
    flow = _open_flow(batch, resolved)
    is_judged = "no_workload" not in outcome.unknown and "host_endpoint" not in outcome.unknown
    ends = (batch.endpoints[int(column[0])] for column in (batch.source, batch.dest))
    sides = (flow.source, flow.destination)
    source, dest = (_end(endpoint, side) for endpoint, side in zip(ends, sides, strict=True))
    decisions = (outcome.enforced, outcome.pending, outcome.promoted)
    return AtEnd(
        flow.direction,
        source,
        dest,
        None if is_judged else _unjudged(outcome),
        {
            scope: _verdict(decision)
            for scope, decision in zip(SCOPES, decisions, strict=True)
            if decision and is_judged
        },
        outcome.impact,
        outcome.staged_deny,
        outcome.staged_allow,
        outcome.unknown,
        explain(world.policies, _sets(world.policies, resolved), resolved.slices, flow, MOST)
        if is_judged
        else None,
    )


def _unjudged(outcome: Outcome) -> str:
    if "host_endpoint" in outcome.unknown:
        return "a host's own policies are not judged"
    return "it is no workload"


def _open_flow(batch: FlowBatch, resolved: Resolved) -> OpenFlow:
    def known(column: Any) -> int | None:
        value = int(column[0])
        return None if value < 0 else value

    return OpenFlow(
        resolved.sides[int(resolved.source[0])],
        resolved.sides[int(resolved.dest[0])],
        known(batch.proto),
        known(batch.source_port),
        known(batch.dest_port),
        DIRECTIONS["dst" if batch.reporter[0] else "src"],
        OWN_HOSTS[int(resolved.own_host[0])],
    )


def _sets(policies: Policies, resolved: Resolved) -> list[LabelledSet]:
    return [
        LabelledSet(identity.labels, own.nets, own.domains)
        for own, identity in zip(policies.network_sets, resolved.sets, strict=True)
    ]


def _verdict(decision: Decision) -> VerdictSaid:
    return VerdictSaid(decision.action, decision.tier, decision.policy, decision.rule, decision.trace)


def _end(endpoint: Endpoint, side: Side) -> EndSaid:
    identities = [candidate.identity for candidate in side.candidates if candidate.identity]
    shared = set.intersection(*(set(i.labels) for i in identities)) if identities else set()
    addresses = dict.fromkeys(str(net) for candidate in side.candidates for net in candidate.addresses)
    return EndSaid(
        _name(endpoint),
        kind_of(endpoint),
        len(side.candidates),
        dict(sorted(shared)),
        tuple(sorted({port for identity in identities for port in _ports(identity.ports)})),
        tuple(addresses)[:SHOWN],
    )


def _name(endpoint: Endpoint) -> str:
    name = endpoint.name or endpoint.name_aggr
    if kind_of(endpoint) == "net":
        return endpoint.ip or {"pub": "a public address", "pvt": "a private address"}.get(name, name)
    return f"{endpoint.namespace}/{name}" if endpoint.namespace else name


def _ports(ports: Sequence[tuple[str, int, int]]) -> Iterator[str]:
    for name, protocol, port in ports:
        yield f"{name}={port}/{PROTOCOL_WORDS.get(protocol, protocol)}"

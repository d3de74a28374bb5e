"""Proposals replayed on traffic that they have not learned from (DESIGN.md §6, 8)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pipeline.match.verdict import Outcome
from pipeline.policy.check import checked
from pipeline.policy.order import all_tiers, in_order
from pipeline.policy.policies import Policies, Policy
from pipeline.policy.resources import find
from pipeline.recommend.learned import EdgeKey, Learned, Seen
from pipeline.recommend.manifest import API_VERSION
from pipeline.recommend.proposal import Proposal
from pipeline.recommend.recommendation import Replay
from pipeline.recommend.words import says

FEWEST_HOURS = 8  # of which some can be held out
MOST_CUT = 20  # edges that are named

type Manifest = dict[str, Any]


def cut_hour(learned: Learned, share: float) -> int | None:
    """The first of the hours that are held out; None where there are too few."""
    hours = sorted(learned.hours())
    if len(hours) < FEWEST_HOURS:
        return None
    return hours[len(hours) - max(1, round(len(hours) * share))]


def concerning(policies: Policies, namespace: str) -> Policies:
    """What of a revision can say anything of a namespace's own endpoints."""
    own = tuple(each for each in policies.policies if each.key.namespace in ("", namespace))
    return replace(policies, policies=own)


def enforcing(policies: Policies, manifests: Iterable[Manifest]) -> Policies:
    """A revision with these staged policies enforced beside what is in force.

    ValueError where Calico would not take one of them.
    """
    added = [_policy(manifest, "NetworkPolicy") for manifest in manifests]
    names = {policy.key for policy in added}
    return _with(policies, [policy for policy in policies.policies if policy.key not in names], added)


def staging(policies: Policies, manifests: Iterable[Manifest]) -> Policies:
    """What of a revision is enforced, with these as its only staged policies; ValueError as `enforcing`."""
    enforced = [policy for policy in policies.policies if not policy.key.staged]
    return _with(policies, enforced, [_policy(manifest, manifest["kind"]) for manifest in manifests])


def _with(policies: Policies, kept: list[Policy], added: list[Policy]) -> Policies:
    every = [*kept, *added]
    tiers = all_tiers((tier for tier in policies.tiers if tier.defined), every)
    return replace(policies, revision="", tiers=tiers, policies=in_order(every, tiers))


def _policy(manifest: Manifest, kind_name: str) -> Policy:
    kind = find(API_VERSION, kind_name)
    assert kind
    own = {**manifest, "kind": kind.name}
    checked_, findings = checked(own, kind)
    if findings or checked_ is None:
        raise ValueError(f"{manifest['metadata']['name']}: {findings}")
    policy = kind.plain(checked_, manifest["metadata"]["namespace"])
    assert isinstance(policy, Policy)
    return policy


def later_edges(proposal: Proposal, later: Learned) -> dict[EdgeKey, Seen]:
    """The held-out traffic that a proposal has to do with, without what teaches nothing at all."""
    return {key: later.edges[key] for key in proposal.edges if key in later.edges}


def replay(
    edges: Mapping[EdgeKey, Seen], outcomes: Mapping[EdgeKey, Outcome], names: frozenset[str]
) -> tuple[Replay, list[str]]:
    """Connections by what the staged policies of these names, each alone, would do; and the edges that
    would be cut, those with most connections first. What is denied already is not counted."""
    counts = {"allow": 0, "deny": 0, "unknown": 0}
    cut: list[tuple[int, str]] = []
    for key, seen in edges.items():
        action, connections = _action(outcomes[key], names), max(seen.started, 1)
        if action == "denied":
            continue
        counts[action] += connections
        if action == "deny":
            cut.append((-connections, says(key)))
    named = [text for _, text in sorted(cut)[:MOST_CUT]]
    return Replay(counts["allow"], counts["deny"], counts["unknown"]), named


def _action(outcome: Outcome, names: frozenset[str]) -> str:
    if not names.isdisjoint(outcome.staged_deny):
        return "deny"
    if outcome.enforced is None or outcome.enforced.action == "unknown":
        return "unknown"
    if outcome.enforced.action == "deny":
        return "denied"
    return "allow" if names.isdisjoint(outcome.staged_unknown) else "unknown"

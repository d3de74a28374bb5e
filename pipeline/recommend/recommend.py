"""What is known of some namespaces ▸ recommendations: propose ▸ replay ▸ score, status and evidence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.facts import Facts
from pipeline.judge import Judge
from pipeline.match.verdict import Decision as Verdict
from pipeline.observe import HOUR_MS
from pipeline.policy.policies import Policies
from pipeline.recommend.evidence import evidence_of
from pipeline.recommend.existing import Existing
from pipeline.recommend.learned import EdgeKey, Learned
from pipeline.recommend.manifest import key_of, manifest_of
from pipeline.recommend.opened import Opening
from pipeline.recommend.peers import Peers
from pipeline.recommend.propose import Proposal, Proposer
from pipeline.recommend.recommendation import Decision, Mode, Options, Recommendation, Score
from pipeline.recommend.replay import judge_edges
from pipeline.recommend.score import cut_hour, enforcing, later_edges, replay
from pipeline.recommend.status import status_of
from pipeline.recommend.workloads import Inventory

MAX_CELLS = 4096
OTHER: dict[Mode, Mode] = {"workload": "namespace", "namespace": "workload"}


@dataclass(slots=True)
class _Known:
    """One namespace on its way to its recommendations."""

    learned: Learned
    peers: Peers
    cut: int | None
    proposals: list[Proposal]
    everyone: list[Proposal]  # the policy for the whole namespace, the baseline
    at_cut: dict[Mode, list[Proposal]]  # from the hours before the cut


def recommend(
    known: Mapping[str, Learned],
    policies: Policies,
    facts: Facts,
    options: Options,
    decisions: Mapping[str, Decision],
    now: int | None = None,
) -> list[Recommendation]:
    """The recommendations for the namespaces of `known`, ordered by name.

    `now` (ms since the epoch) tells what is stale: without it, the newest hour of `known`. What comes out
    depends on the arguments alone, not on the order in which anything was learned.
    """
    hours = [hour for learned in known.values() for hour in learned.hours()]
    at = now // HOUR_MS if now is not None else max(hours, default=0)
    judge = _judge(policies, facts)
    inventory = Inventory(facts)
    existing = Existing(policies, facts, options.tier, options.order)
    found = {}
    for namespace in sorted(known):
        learned = known[namespace]
        if learned.edges:
            # Where there are no policies none has decided anything.
            own = learned.edges if policies.policies else ()
            verdicts = judge_edges(namespace, own, learned, judge)
            peers = Peers(namespace, learned, facts, policies.network_sets, inventory)
            found[namespace] = _proposed(namespace, learned, peers, existing, verdicts, options)
    accepted = {name: each.manifest for name, each in decisions.items() if each.manifest}
    judges = {mode: _judge_of(policies, facts, found, mode, accepted) for mode in OTHER}
    recommendations = [
        each
        for namespace, of_namespace in found.items()
        for each in _recommendations(namespace, of_namespace, judges, policies, options, decisions, at)
    ]
    return sorted(recommendations, key=lambda each: each.name)


def _judge(policies: Policies, facts: Facts) -> Judge:
    return Judge(policies, facts, "", 0, MAX_CELLS)


def _judge_of(
    policies: Policies,
    facts: Facts,
    found: Mapping[str, _Known],
    mode: Mode,
    accepted: Mapping[str, dict[str, Any]],
) -> Judge:
    """Enforces what would have been proposed before the cut, and what was accepted in its place."""
    manifests = [manifest_of(each) for known in found.values() for each in known.at_cut[mode]]
    own = [accepted.get(key_of(manifest), manifest) for manifest in manifests]
    return _judge(enforcing(policies, own), facts)


def _proposed(
    namespace: str,
    learned: Learned,
    peers: Peers,
    existing: Existing,
    verdicts: Mapping[EdgeKey, Verdict | None],
    options: Options,
) -> _Known:
    proposer = Proposer(namespace, peers, existing, verdicts, options)
    cut = cut_hour(learned, options.held_out_share)
    before = learned.within(0, cut) if cut else Learned()
    at_cut: dict[Mode, list[Proposal]] = {mode: proposer.propose(before, mode) for mode in OTHER}
    proposals = proposer.propose(learned, options.mode)
    everyone = proposals if options.mode == "namespace" else proposer.propose(learned, "namespace")
    return _Known(learned, peers, cut, proposals, everyone, at_cut)


def _recommendations(
    namespace: str,
    known: _Known,
    judges: Mapping[Mode, Judge],
    policies: Policies,
    options: Options,
    decisions: Mapping[str, Decision],
    at: int,
) -> Iterator[Recommendation]:
    hours = known.learned.hours()
    last = max(hours) + 1
    later = known.learned.within(known.cut, last) if known.cut else Learned()
    verdicts = {mode: judge_edges(namespace, later.edges, known.learned, judges[mode]) for mode in OTHER}
    opening = Opening(known.peers.namespaces)
    days = len({hour // 24 for hour in hours})
    for proposal in known.proposals:
        manifest = manifest_of(proposal)
        name = key_of(manifest)
        decision = decisions.get(name)
        if decision and decision.decision == "ignore":
            continue
        warnings = [*proposal.warnings]
        if decision and decision.manifest and decision.manifest != manifest:
            warnings.append("its traffic has changed since it was accepted: reopen it to take that in")
        taken = decision.manifest if decision else None
        yield Recommendation(
            name=name,
            namespace=namespace,
            mode=proposal.mode,
            workloads=list(proposal.workloads),
            manifest=taken or manifest,
            status=status_of(proposal.edges, hours, at, options),
            score=_score(proposal, known, later, verdicts, opening),
            rules=list(evidence_of(proposal, len(hours), days)) if not taken or taken == manifest else [],
            warnings=warnings,
            set_aside=list(proposal.set_aside),
            revision=policies.revision,
            learned_from=min(hours) * HOUR_MS,
            learned_until=last * HOUR_MS,
            tightens=proposal.tightens,
            decision="accept" if taken else None,
        )


def _score(
    proposal: Proposal,
    known: _Known,
    later: Learned,
    verdicts: Mapping[Mode, Mapping[EdgeKey, Verdict | None]],
    opening: Opening,
) -> Score | None:
    """None where nothing was held out, or nothing was known of the workload before."""
    before = [each for each in known.at_cut[proposal.mode] if set(each.workloads) & set(proposal.workloads)]
    if known.cut is None or not before:
        return None
    edges = later_edges(proposal, later)
    replayed, cut = replay(edges, verdicts[proposal.mode])
    of_all, _ = replay(edges, verdicts["namespace"])
    everyone = [opening.of(each) for each in known.everyone]
    opened = opening.of(proposal)
    return Score(known.cut * HOUR_MS, replayed, cut, opened, of_all, everyone[0] if everyone else opened)

"""What is known of some namespaces ▸ recommendations: propose ▸ replay ▸ score, status and evidence."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.facts import Facts
from pipeline.judge import Judge
from pipeline.match.verdict import Outcome
from pipeline.observe import HOUR_MS
from pipeline.policy.policies import Policies
from pipeline.recommend.evidence import evidence_of
from pipeline.recommend.existing import Existing
from pipeline.recommend.learn import HOURS_A_DAY
from pipeline.recommend.learned import EdgeKey, Learned
from pipeline.recommend.manifest import key_of, manifest_of
from pipeline.recommend.opened import Opening
from pipeline.recommend.peers import Peers
from pipeline.recommend.proposal import Proposal
from pipeline.recommend.propose import Proposer
from pipeline.recommend.recommendation import Decision, Mode, Opened, Options, Recommendation, Score
from pipeline.recommend.replay import judge_edges
from pipeline.recommend.score import concerning, cut_hour, later_edges, replay, staging
from pipeline.recommend.status import status_of
from pipeline.recommend.workloads import Inventory

MAX_CELLS = 4096
MODES: tuple[Mode, ...] = ("workload", "namespace")
BASELINE = ".baseline"
CHANGED = "its traffic has changed since it was accepted: reopen it to take that in"


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
    running = max((hour for learned in known.values() for hour in learned.hours()), default=0)
    at = now // HOUR_MS if now is not None else running
    inventory = Inventory(facts)
    found: list[Recommendation] = []
    for namespace, learned in known.items():
        if learned.edges:
            own = concerning(policies, namespace)
            peers = Peers(namespace, learned, facts, policies.network_sets, inventory)
            of_namespace = _Namespace(namespace, learned, running, own, facts, peers, options)
            found += of_namespace.recommendations(decisions, at)
    return sorted(found, key=lambda each: each.name)


class _Namespace:
    """One namespace: what is proposed for it, and what is held against that."""

    def __init__(
        self,
        name: str,
        learned: Learned,
        running: int,
        policies: Policies,
        facts: Facts,
        peers: Peers,
        options: Options,
    ) -> None:
        self._name = name
        # Windows are closed by our own watermark, the newest hour that anything was seen in: who is scored
        # is scored on whole ones.
        self._closed = learned.within(0, running)
        self._learned = learned
        self._policies = policies
        self._facts = facts
        self._options = options
        self._opening = Opening(peers.namespaces)
        self._hours = learned.hours()
        self._cut = cut_hour(self._closed, options.held_out_share)
        # Where there are no policies none has decided anything.
        edges = learned.edges if policies.policies else ()
        outcomes = judge_edges(name, edges, learned, self._judge(policies))
        verdicts = {key: outcome.enforced for key, outcome in outcomes.items()}
        existing = Existing(policies, facts, options.tier, options.order)
        self._proposer = Proposer(name, peers, existing, verdicts, options)

    def recommendations(self, decisions: Mapping[str, Decision], at: int) -> Iterator[Recommendation]:
        """A recommendation a proposal, as of the hour `at`."""
        replayed = self._replayed(decisions)
        days = len({hour // HOURS_A_DAY for hour in self._hours})
        for proposal in self._proposer.propose(self._learned, self._options.mode):
            manifest = manifest_of(proposal)
            name = key_of(manifest)
            decision = decisions.get(name)
            if decision and decision.decision == "ignore":
                continue
            taken = decision.manifest if decision else None
            is_same = taken in (None, manifest)
            yield Recommendation(
                name=name,
                namespace=self._name,
                mode=proposal.mode,
                workloads=list(proposal.workloads),
                manifest=taken or manifest,
                status=status_of(proposal.edges, self._hours, at, self._options),
                score=self._score(proposal, replayed) if replayed else None,
                rules=list(evidence_of(proposal, len(self._hours), days)) if is_same else [],
                warnings=[*proposal.warnings, *([] if is_same else [CHANGED])],
                set_aside=list(proposal.set_aside),
                revision=self._policies.revision,
                learned_from=min(self._hours) * HOUR_MS,
                learned_until=(max(self._hours) + 1) * HOUR_MS,
                tightens=proposal.tightens,
                decision="accept" if taken else None,
            )

    def _replayed(self, decisions: Mapping[str, Decision]) -> "_Replayed | None":
        """The hours since the cut under what would have been proposed before it, or was accepted in its
        place; None where there are too few hours."""
        if self._cut is None:
            return None
        before = self._closed.within(0, self._cut)
        later = self._closed.within(self._cut, max(self._hours) + 1)
        proposals = {mode: self._proposer.propose(before, mode) for mode in MODES}
        manifests, staged = [], defaultdict[tuple[Mode, str], list[_Staged]](list)
        for mode in MODES:
            for proposal in proposals[mode]:
                manifest = _taken(manifest_of(proposal), decisions)
                if mode != self._options.mode:  # a workload may have the name of its namespace
                    manifest["metadata"]["name"] += BASELINE
                manifests.append(manifest)
                for workload in proposal.workloads:
                    staged[mode, workload].append(_Staged(key_of(manifest), proposal))
        judge = self._judge(staging(self._policies, manifests))
        outcomes = judge_edges(self._name, later.edges, self._learned, judge)
        everyone = self._proposer.propose(self._learned, "namespace")
        opened = self._opening.of(everyone[0]) if everyone else None
        return _Replayed(self._cut, later, outcomes, staged, opened)

    def _score(self, proposal: Proposal, replayed: "_Replayed") -> Score | None:
        """None where nothing was known of the workloads before the cut."""
        own = replayed.standing_for(proposal, proposal.mode)
        if not own:
            return None
        edges = later_edges(proposal, replayed.later)
        outcome, cut = replay(edges, replayed.outcomes, own)
        of_all, _ = replay(edges, replayed.outcomes, replayed.standing_for(proposal, "namespace"))
        opened = self._opening.of(proposal)
        everyone = replayed.opened or opened
        return Score(replayed.cut * HOUR_MS, outcome, cut, opened, of_all, everyone)

    def _judge(self, policies: Policies) -> Judge:
        return Judge(policies, self._facts, "", 0, MAX_CELLS)


def _taken(manifest: dict[str, Any], decisions: Mapping[str, Decision]) -> dict[str, Any]:
    """A manifest, or what was accepted in its place."""
    decision = decisions.get(key_of(manifest))
    return deepcopy(decision.manifest) if decision and decision.manifest else manifest


class _Staged(NamedTuple):
    """What would have been proposed before the cut, by the name that it is judged by."""

    name: str
    proposal: Proposal


@dataclass(frozen=True, slots=True)
class _Replayed:
    """The hours since the cut, judged by what would have been proposed before it, each policy alone."""

    cut: int  # the first hour that was held out
    later: Learned
    outcomes: Mapping[EdgeKey, Outcome]
    staged: Mapping[tuple[Mode, str], list[_Staged]]  # by mode and workload
    opened: Opened | None  # by the policy for the whole namespace

    def standing_for(self, proposal: Proposal, mode: Mode) -> frozenset[str]:
        """The names of what would have been proposed in a proposal's place."""
        found = (each for name in proposal.workloads for each in self.staged.get((mode, name), ()))
        return frozenset(
            each.name
            for each in found
            if mode != proposal.mode or each.proposal.tightens == proposal.tightens
        )

"""What is known of some namespaces ▸ recommendations: propose ▸ replay ▸ score, status and evidence."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.facts import Facts
from pipeline.judge import Judge
from pipeline.match.verdict import Decision as Verdict
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
from pipeline.recommend.score import concerning, cut_hour, enforcing, later_edges, replay
from pipeline.recommend.status import status_of
from pipeline.recommend.workloads import Inventory

MAX_CELLS = 4096
MODES: tuple[Mode, ...] = ("workload", "namespace")
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
    hours = [hour for learned in known.values() for hour in learned.hours()]
    at = now // HOUR_MS if now is not None else max(hours, default=0)
    inventory = Inventory(facts)
    found: list[Recommendation] = []
    for namespace, learned in known.items():
        if learned.edges:
            own = concerning(policies, namespace)
            peers = Peers(namespace, learned, facts, policies.network_sets, inventory)
            of_namespace = _Namespace(namespace, learned, own, facts, peers, options)
            found += of_namespace.recommendations(decisions, at)
    return sorted(found, key=lambda each: each.name)


class _Namespace:
    """One namespace: what is proposed for it, and what is held against that."""

    def __init__(
        self, name: str, learned: Learned, policies: Policies, facts: Facts, peers: Peers, options: Options
    ) -> None:
        self._name = name
        self._learned = learned
        self._policies = policies
        self._facts = facts
        self._options = options
        self._opening = Opening(peers.namespaces)
        self._hours = learned.hours()
        self._cut = cut_hour(learned, options.held_out_share)
        # Where there are no policies none has decided anything.
        edges = learned.edges if policies.policies else ()
        verdicts = judge_edges(name, edges, learned, self._judge(policies))
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
        """The hours since the cut under what would have been proposed before it, and under what was
        accepted in its place; None where there are too few hours."""
        if self._cut is None:
            return None
        before = self._learned.within(0, self._cut)
        later = self._learned.within(self._cut, max(self._hours) + 1)
        proposals = {mode: self._proposer.propose(before, mode) for mode in MODES}
        verdicts = {}
        for mode in MODES:
            manifests = {key_of(own): own for own in map(manifest_of, proposals[mode])}
            manifests |= {n: d.manifest for n, d in decisions.items() if n in manifests and d.manifest}
            judge = self._judge(enforcing(self._policies, manifests.values()))
            verdicts[mode] = judge_edges(self._name, later.edges, self._learned, judge)
        everyone = self._proposer.propose(self._learned, "namespace")
        opened = self._opening.of(everyone[0]) if everyone else None
        known = frozenset(name for each in proposals[self._options.mode] for name in each.workloads)
        return _Replayed(self._cut, later, verdicts, known, opened)

    def _score(self, proposal: Proposal, replayed: "_Replayed") -> Score | None:
        """None where nothing was known of the workloads before the cut."""
        if replayed.known.isdisjoint(proposal.workloads):
            return None
        edges = later_edges(proposal, replayed.later)
        outcome, cut = replay(edges, replayed.verdicts[proposal.mode])
        of_all, _ = replay(edges, replayed.verdicts["namespace"])
        opened = self._opening.of(proposal)
        everyone = replayed.opened or opened
        return Score(replayed.cut * HOUR_MS, outcome, cut, opened, of_all, everyone)

    def _judge(self, policies: Policies) -> Judge:
        return Judge(policies, self._facts, "", 0, MAX_CELLS)


@dataclass(frozen=True, slots=True)
class _Replayed:
    cut: int  # the first hour that was held out
    later: Learned
    verdicts: Mapping[Mode, Mapping[EdgeKey, Verdict | None]]
    known: frozenset[str]  # workloads that something was proposed for before
    opened: Opened | None  # by the policy for the whole namespace

"""What is known of a namespace ▸ proposals: a policy a workload, or one for all."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.match.verdict import Decision
from pipeline.policy.policies import Direction, Policy
from pipeline.recommend.aside import Aside, ephemeral, weak
from pipeline.recommend.existing import Existing
from pipeline.recommend.labels import is_name
from pipeline.recommend.learn import HOURS_A_DAY
from pipeline.recommend.learned import NONE, EdgeKey, Learned, Seen
from pipeline.recommend.peers import Peers
from pipeline.recommend.proposal import DIRECTIONS, Proposal, ProposedRule
from pipeline.recommend.recommendation import Mode, Options
from pipeline.recommend.rules import Rules
from pipeline.recommend.workloads import Namespace

SUFFIX = "-learned"
UNNAMED = "the policies have no such network set, and no address was logged"


@dataclass(frozen=True, slots=True)
class _Group:
    """Workloads that one selector selects."""

    name: str
    workloads: tuple[str, ...]
    selector: str | None


class Proposer:
    """Proposes for one namespace; `decisions` are what the policies in force say of each edge."""

    def __init__(
        self,
        namespace: str,
        peers: Peers,
        existing: Existing,
        decisions: Mapping[EdgeKey, Decision | None],
        options: Options,
    ) -> None:
        self._namespace = namespace
        self._own = peers.namespaces.get(namespace, Namespace(()))
        self._peers = peers
        self._existing = existing
        self._decisions = decisions
        self._options = options
        self._rules = Rules(namespace, peers, existing, decisions, options)
        # What tightens stands before whatever decides now.
        self._rules_before = Rules(namespace, peers, existing, {}, options)
        self._is_young = False
        self._untold: tuple[str, ...] = ()

    def propose(self, learned: Learned, mode: Mode) -> list[Proposal]:
        """The proposals from what was learned, by name."""
        by_workload: dict[str, dict[EdgeKey, Seen]] = defaultdict(dict)
        for key in sorted(learned.edges):
            by_workload[key.workload][key] = learned.edges[key]
        self._is_young = len(learned.hours()) < HOURS_A_DAY
        self._untold = tuple(name for name in sorted(by_workload) if self._own.selected(name) is None)
        groups = self._groups(by_workload) if mode == "workload" else self._everyone(by_workload)
        proposals: list[Proposal] = []
        for group in groups:
            edges = {key: seen for name in group.workloads for key, seen in by_workload[name].items()}
            proposals += self._of_group(group, edges, mode)
        return proposals

    def _groups(self, names: Iterable[str]) -> Iterator[_Group]:
        """The workloads to propose for; those that no label tells apart are together."""
        found = {name: selected for name in names if (selected := self._own.selected(name))}
        done: set[str] = set()
        # Who selects most others first: a policy for one of these alone would add nothing to theirs.
        for name in sorted(found, key=lambda each: (-len(found[each].also), each)):
            if name not in done:
                pairs, together = set(found[name].pairs), {name, *found[name].also}
                new = {each for each in together if pairs <= self._own.stable(each)} - done
                done |= new
                yield _Group(min(filter(is_name, new)), tuple(sorted(together)), str(found[name]))

    def _everyone(self, names: Iterable[str]) -> Iterator[_Group]:
        everyone = tuple(sorted({*names, *self._own.workloads}))
        yield _Group(self._namespace, everyone, None)

    def _of_group(self, group: _Group, edges: Mapping[EdgeKey, Seen], mode: Mode) -> Iterator[Proposal]:
        members = [self._own.workloads[name] for name in group.workloads if name in self._own.workloads]
        wide = self._wide(edges) if self._options.tighten and mode == "workload" else {}
        isolated = [d for d in DIRECTIONS if members and all(self._existing.isolates(m, d) for m in members)]
        types = tuple(d for d in DIRECTIONS if d not in isolated and d not in wide)
        if types:
            yield self._proposal(group, edges, types, mode, self._rules)
        for direction, policy in wide.items():
            yield self._tightened(group, edges, direction, policy)

    def _wide(self, edges: Iterable[EdgeKey]) -> dict[Direction, Policy]:
        """The first policy of each direction that allows some of the edges more widely than is used."""
        found: dict[Direction, Policy] = {}
        for direction in DIRECTIONS:
            decisions = [self._decisions.get(key) for key in edges if key.direction == direction]
            if policy := self._existing.first_wide(decisions, direction):
                found[direction] = policy
        return found

    def _proposal(
        self,
        group: _Group,
        edges: Mapping[EdgeKey, Seen],
        types: Sequence[Direction],
        mode: Mode,
        rules_of: Rules,
    ) -> Proposal:
        own = {key: seen for key, seen in edges.items() if key.direction in types}
        rules, set_aside = self._kept(group, own, types, mode, rules_of)
        gone = {key for aside in set_aside if not aside.may_come_again for key in aside.edges}
        return Proposal(
            self._namespace,
            group.name + SUFFIX,
            mode,
            group.workloads,
            group.selector,
            tuple(types),
            tuple(rules),
            self._options.tier,
            self._options.order,
            {key: seen for key, seen in own.items() if key not in gone},
            tuple(aside.told for aside in set_aside),
            tuple(self._warnings(group, own, types)),
        )

    def _warnings(
        self, group: _Group, edges: Mapping[EdgeKey, Seen], types: Sequence[Direction]
    ) -> Iterator[str]:
        if len(group.workloads) > 1 and group.selector:
            yield f"no label tells {', '.join(group.workloads)} apart: one policy for all of them"
        if self._untold:
            yield f"no label tells {', '.join(self._untold)}: no policy of its own can be proposed for it"
        for direction in types:
            if not any(key.direction == direction for key in edges):
                but = " but DNS" if direction == "egress" else ""
                yield f"no {direction} was seen: enforced, it would allow none{but}"

    def _kept(
        self,
        group: _Group,
        edges: Mapping[EdgeKey, Seen],
        types: Sequence[Direction],
        mode: Mode,
        rules_of: Rules,
    ) -> tuple[list[ProposedRule], list[Aside]]:
        """The rules that the evidence is enough for, and what is set aside (DESIGN.md §6, 5 and 6)."""
        left = dict(edges)
        unnamed = (Aside((key,), edges, UNNAMED) for key in self._peers.unnamed(left))
        rules, set_aside = [], [*ephemeral(left), *unnamed]
        for aside in set_aside:
            for key in aside.edges:
                del left[key]
        serves = any(self._peers.serves_dns(name) for name in group.workloads)
        for rule in (rule for direction in types for rule in rules_of.of(left, direction, mode, serves)):
            reason, may_come_again = weak(rule, self._options, is_young=self._is_young)
            if reason:
                set_aside.append(Aside(tuple(rule.seen), left, reason, may_come_again))
            else:
                rules.append(rule)
        return rules, set_aside

    def _tightened(
        self, group: _Group, edges: Mapping[EdgeKey, Seen], direction: Direction, policy: Policy
    ) -> Proposal:
        """A proposal inside a policy's allow that is wider than what is used (DESIGN.md §6, 9)."""
        order = 1_000.0 if policy.order is None else policy.order
        proposal = self._proposal(group, edges, (direction,), "workload", self._rules_before)
        return replace(
            proposal,
            name=f"{group.name}-{direction}-tightened",
            tier=policy.tier,
            order=order - 1,
            rules=(*proposal.rules, ProposedRule(direction, "Deny", NONE, None, None)),
            warnings=(*proposal.warnings, self._closes(proposal, direction, policy)),
            tightens=str(policy.key),
        )

    def _closes(self, proposal: Proposal, direction: Direction, policy: Policy) -> str:
        """What of a policy's allow is closed, in words."""
        decisions = [self._decisions.get(key) for key in proposal.edges]
        everyone = [each for known in self._peers.namespaces.values() for each in known.workloads.values()]
        admitted = self._existing.admitted(policy, decisions, direction, everyone)
        kept = {each for rule in proposal.rules if rule.peer for each in rule.peer.workloads}
        closed = len(admitted.workloads - kept)
        told = [f"{closed} workload{'s' * (closed != 1)} that never talked to it"] if closed else []
        told += ["every address that was not seen"] if admitted.addresses else []
        told += ["every port that was not seen"] if admitted.ports else []
        return f"closes what {policy.key} allows beyond this: {', '.join(told) or 'nothing that is known'}"

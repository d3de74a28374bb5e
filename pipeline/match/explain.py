"""Why a flow is allowed or denied: every rule that could have decided, by the slow and obvious evaluator."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from pipeline.identity import Candidate, Slice
from pipeline.match.complete import OpenFlow, completions
from pipeline.match.explain_parts import Sets, asked, had, labels_missed, said_labels
from pipeline.match.explained import (
    Explained,
    Holds,
    PartExplained,
    PolicyExplained,
    RuleExplained,
    ScopeName,
    TierExplained,
    WayExplained,
)
from pipeline.match.reference import decide, in_scope
from pipeline.match.rule import CompleteFlow, LabelledSet, Part, Party, rule_parts
from pipeline.match.trace import END_OF_TIER, Hit, parse_hit
from pipeline.match.verdict import Decision, TooMany
from pipeline.policy.policies import Direction, Policies, Policy, Rule, Tier
from pipeline.rule_words import rule_says

SCOPES: tuple[ScopeName, ...] = ("enforced", "pending", "promoted")
SEVERAL = 3  # things that a flow may have, of one part


def explain(
    policies: Policies, sets: Sequence[LabelledSet], slices: Sequence[Slice], flow: OpenFlow, at_most: int
) -> Explained:
    """Why `flow` gets its verdict where it is judged, with at most so many completions of what is missing.

    `sets` stand beside the revision's network sets.
    """
    bearing = _bearing(policies, flow)
    flow = _without_needless(bearing, flow)
    found: list[CompleteFlow] = []
    bounded = False
    try:
        found.extend(completions(bearing, sets, slices, flow, at_most))
    except TooMany:
        bounded = True
    told = _Told(bearing, sets, slices, flow.direction, found)
    kept = {policy.key for policy in bearing.policies if flow.direction in policy.types}
    candidates = local_side(flow)
    return Explained(
        actions={scope: told.action(scope) if not bounded else "unknown" for scope in SCOPES},
        completions=len(found),
        bounded=bounded,
        ways=tuple(told.ways()),
        tiers=tuple(told.tiers()),
        profile=told.profile,
        others=tuple(
            _not_selecting(policy, candidates)
            for policy in policies.policies
            if policy.workloads and flow.direction in policy.types and policy.key not in kept
        ),
    )


def local_side(flow: OpenFlow) -> tuple[Candidate, ...]:
    """Whom the flow is judged at."""
    return (flow.source if flow.direction == "egress" else flow.destination).candidates


def _bearing(policies: Policies, flow: OpenFlow) -> Policies:
    """The policies that may select the judged endpoint, with the rules of this direction alone; and those
    that take the place of one when promoted, even where they do not select it."""
    direction = flow.direction
    selecting = {
        policy.key
        for policy in policies.policies
        if direction in policy.types and policy.workloads and _may_select(policy, local_side(flow))
    }
    kept = [
        _only(policy, direction if policy.key in selecting else None)
        for policy in policies.policies
        if policy.key in selecting or policy.key.twin in selecting
    ]
    return replace(policies, policies=tuple(kept))


def _may_select(policy: Policy, candidates: Iterable[Candidate]) -> bool:
    identities = [candidate.identity for candidate in candidates if candidate.identity]
    return any(policy.selector.decide(dict(i.labels), i.is_open) is not False for i in identities)


def _only(policy: Policy, direction: Direction | None) -> Policy:
    return replace(
        policy,
        types=frozenset({direction} if direction else ()),
        ingress=policy.ingress if direction == "ingress" else (),
        egress=policy.egress if direction == "egress" else (),
    )


def _without_needless(policies: Policies, flow: OpenFlow) -> OpenFlow:
    """The flow with any source port in the place of a missing one that no rule asks for."""
    sources = [rule.source for policy in policies.policies for rule in (*policy.ingress, *policy.egress)]
    asks = any(m.ports or m.not_ports or m.named_ports or m.not_named_ports for m in sources)
    return flow if asks or flow.source_port is not None else replace(flow, source_port=0)


def _not_selecting(policy: Policy, candidates: Iterable[Candidate]) -> PolicyExplained:
    labels = [dict(candidate.identity.labels) for candidate in candidates if candidate.identity]
    return _policy(policy, "no", labels, (), (), ())


def _policy(
    policy: Policy,
    selects: Holds,
    labels: Iterable[dict[str, str]],
    scopes: Iterable[ScopeName],
    ends: Iterable[ScopeName],
    rules: Iterable[RuleExplained],
) -> PolicyExplained:
    has = []
    for own in labels:
        missed = {atom.key for atom in labels_missed(policy.selector, own)}
        has.append(said_labels(missed or policy.selector.keys(), own))
    return PolicyExplained(
        str(policy.key),
        policy.staged_action if policy.key.staged else None,
        policy.order,
        selects,
        str(policy.selector),
        tuple(dict.fromkeys(has))[:SEVERAL],
        tuple(scopes),
        tuple(ends),
        tuple(rules),
    )


@dataclass(slots=True)
class _Way:
    """One completion: what each scope decides, and its hits."""

    flow: CompleteFlow
    decisions: dict[ScopeName, Decision]
    hits: dict[ScopeName, tuple[Hit, ...]]


class _Told:
    """All completions of a flow, judged in every scope."""

    def __init__(
        self,
        policies: Policies,
        sets: Sequence[LabelledSet],
        slices: Sequence[Slice],
        direction: Direction,
        flows: Sequence[CompleteFlow],
    ) -> None:
        self._policies, self._direction = policies, direction
        self._sets, self._slices = sets, slices
        self._named: Sets = tuple(zip(policies.network_sets, sets, strict=True))
        self._scoped = {scope: in_scope(policies, scope) for scope in SCOPES}
        self._ways = [self._way(flow) for flow in flows]
        self._labels = [
            dict(local.identity.labels) for flow in flows if (local := self._local(flow)).identity
        ]

    @cached_property
    def profile(self) -> str | None:
        """The profile that allows where no tier decides."""
        identities = [self._local(way.flow).identity for way in self._ways]
        profiles = [profile for identity in identities if identity for profile in identity.profiles]
        return next((profile for profile in profiles if profile.startswith("kns.")), None)

    def action(self, scope: ScopeName) -> str:
        """What all completions agree on."""
        actions = {way.decisions[scope].action for way in self._ways}
        return actions.pop() if len(actions) == 1 else "unknown"

    def tiers(self) -> Iterator[TierExplained]:
        """Those that have a policy that may select the endpoint."""
        for tier in self._policies.tiers:
            policies = tuple(p for p in self._policies.policies if p.tier == tier.name and p.types)
            if policies:
                yield TierExplained(
                    tier.name,
                    tier.order,
                    tier.default_action,
                    {scope: results for scope in SCOPES if (results := self._results(scope, tier))},
                    tuple(self._explained(policy, tier) for policy in policies),
                )

    def ways(self) -> Iterator[WayExplained]:
        """Completions by their actions, where these differ."""
        groups: dict[tuple[str, ...], list[_Way]] = {}
        for way in self._ways:
            groups.setdefault(tuple(way.decisions[scope].action for scope in SCOPES), []).append(way)
        if len(groups) < 2:
            return
        said = {id(way): _said(way.flow) for way in self._ways}
        varying = [
            key for key in next(iter(said.values())) if len({words[key] for words in said.values()}) > 1
        ]
        for actions, some in groups.items():
            words = said[id(some[0])]
            example = {key: words[key] for key in varying}
            yield WayExplained(dict(zip(SCOPES, actions, strict=True)), len(some), example)

    def _way(self, flow: CompleteFlow) -> _Way:
        decisions = {
            scope: decide(self._policies, self._sets, self._slices, flow, self._direction, scope)
            for scope in SCOPES
        }
        hits = {scope: tuple(map(parse_hit, decision.trace)) for scope, decision in decisions.items()}
        return _Way(flow, decisions, hits)

    def _local(self, flow: CompleteFlow) -> Party:
        return flow.source if self._direction == "egress" else flow.destination

    def _results(self, scope: ScopeName, tier: Tier) -> tuple[str, ...]:
        hits = (hit for way in self._ways for hit in way.hits[scope] if hit.tier == tier.name)
        return tuple(sorted({hit.action for hit in hits}))

    def _explained(self, policy: Policy, tier: Tier) -> PolicyExplained:
        selected = [policy.selector.matches(labels) for labels in self._labels]
        hits = {
            scope: {
                hit.rule
                for way in self._ways
                for hit in way.hits[scope]
                if hit.tier == tier.name and hit.policy == str(policy.key)
            }
            for scope in SCOPES
        }
        scopes = [scope for scope in SCOPES if policy in self._scoped[scope]]
        rules = [
            self._rule(policy, number, rule, tuple(s for s in scopes if number in hits[s]))
            for number, rule in enumerate(policy.rules(self._direction))
        ]
        ends = [scope for scope in scopes if END_OF_TIER in hits[scope]]
        return _policy(policy, _holds(selected), self._labels, scopes, ends, rules)

    def _rule(self, policy: Policy, number: int, rule: Rule, decides: tuple[ScopeName, ...]) -> RuleExplained:
        held: dict[Part, list[bool]] = {}
        matched: list[bool] = []
        for way in self._ways:
            parts = list(rule_parts(rule, way.flow, self._direction, self._sets, self._slices))
            matched.append(all(holds for _, holds in parts))
            for part, holds in parts:
                held.setdefault(part, []).append(holds)
        said = asked(rule)
        flows = [way.flow for way in self._ways]
        return RuleExplained(
            number,
            rule.action,
            rule_says(rule),
            _holds(matched),
            tuple(scope for scope in SCOPES if self._is_reached(scope, policy, number)),
            decides,
            tuple(
                PartExplained(part, _holds(holds), said.get(part, "any"), self._had(rule, part, flows))
                for part, holds in held.items()
                if part in said or not all(holds)
            ),
        )

    def _had(self, rule: Rule, part: Part, flows: Iterable[CompleteFlow]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(had(rule, part, flow, self._named) for flow in flows))[:SEVERAL]

    def _is_reached(self, scope: ScopeName, policy: Policy, number: int) -> bool:
        """Whether the rule is tried: its tier is reached, and nothing before it in the tier decides."""
        if policy not in self._scoped[scope]:
            return False
        places = {str(p.key): place for place, p in enumerate(self._scoped[scope])}
        own = places[str(policy.key)], number
        for way in self._ways:
            local = self._local(way.flow).identity
            if local is None or not policy.selector.matches(dict(local.labels)):
                continue
            for hit in way.hits[scope]:
                ended = hit.rule == END_OF_TIER
                if hit.tier == policy.tier and (ended or own <= (places[hit.policy], hit.rule)):
                    return True
        return False


def _holds(answers: Sequence[bool]) -> Holds:
    if not answers or len(set(answers)) > 1:
        return "depends"
    return "yes" if answers[0] else "no"


def _said(flow: CompleteFlow) -> dict[str, str]:
    """What can be missing of a flow, in words."""
    words: dict[str, str] = {}
    for end, party in (("source", flow.source), ("destination", flow.destination)):
        labels = dict(party.identity.labels) if party.identity else {}
        own = {key: value for key, value in labels.items() if not key.startswith(("pcns.", "pcsa."))}
        words[f"{end} labels"] = said_labels(own, own) or "no endpoint"
        words[f"{end} inherits"] = said_labels(labels.keys() - own.keys(), labels)
        words[f"{end} address"] = str(party.address)
        words[f"{end} domains"] = ", ".join(party.domains)
        names = party.identity.ports if party.identity else ()
        words[f"{end} named ports"] = ", ".join(f"{port.name}={port.port}" for port in names)
        words[f"{end} is not behind"] = ", ".join("/".join(piece.service) for piece in party.outside)
    words |= {"protocol": str(flow.protocol), "source port": str(flow.source_port)}
    return words | {"port": str(flow.dest_port), "from its own host": str(flow.from_own_host).lower()}

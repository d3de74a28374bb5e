"""What the policies in force already do for a workload: isolate it, allow its edges, widely or not."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, NamedTuple

from pipeline.facts import Facts
from pipeline.match.verdict import Decision
from pipeline.policy.policies import Direction, EntityMatch, Policies, Policy, Rule
from pipeline.recommend.labels import SERVICE_ACCOUNT
from pipeline.recommend.proposal import WITH_PORTS
from pipeline.recommend.workloads import Workload

_WIDE = {4: 16, 6: 64}  # nets with shorter prefixes are wide

_REST_PASSES = Rule("pass")

type Standing = Literal["open", "earlier", "later"]


class Admitted(NamedTuple):
    """What rules let through: workloads as (namespace, name), whether any address, whether any port."""

    workloads: frozenset[tuple[str, str]]
    addresses: bool
    ports: bool


class Existing:
    """The enforced policies of one revision as seen from a place in a tier."""

    def __init__(self, policies: Policies, facts: Facts, tier: str, order: float) -> None:
        self._facts = facts
        self._order = order
        self._tiers = [each.name for each in policies.tiers]
        self._denies = {each.name for each in policies.tiers if each.default_action == "deny"}
        self._place = self._tiers.index(tier) if tier in self._tiers else len(self._tiers)
        enforced = [each for each in policies.policies if not each.key.staged and each.workloads]
        self._by_name = {str(each.key): each for each in enforced}
        self._of: dict[str, list[Policy]] = defaultdict(list)
        for policy in enforced:
            self._of[policy.key.namespace].append(policy)

    def isolates(self, workload: Workload, direction: Direction) -> bool:
        """Whether what no policy allows it is denied already: by the end of a tier that selects it."""
        labels = self._labels(workload)
        selecting = [
            policy
            for policy in (*self._of[workload.namespace], *self._of[""])
            if direction in policy.types and policy.tier in self._denies and policy.selector.matches(labels)
        ]
        # What a rule hands on whatever it is never comes to the end of its tier.
        open_ended = {policy.tier for policy in selecting if _REST_PASSES in policy.rules(direction)}
        return any(policy.tier not in open_ended for policy in selecting)

    def standing(self, decision: Decision | None) -> Standing:
        """Where an edge is decided: by no policy, or by one before or after the place that we propose for."""
        if decision is None or decision.action != "allow" or decision.tier not in self._tiers:
            return "open"
        policy = self._by_name.get(decision.policy or "")
        if policy is None:
            return "open"
        place = self._tiers.index(policy.tier), _number(policy.order)
        return "earlier" if place < (self._place, self._order) else "later"

    def wide(self, decision: Decision | None, direction: Direction) -> Policy | None:
        """The policy that allows an edge by a rule without peers or without ports; None where it is tight."""
        policy = self._by_name.get(decision.policy or "") if decision else None
        if policy is None or decision is None or decision.rule is None or decision.rule < 0:
            return None
        rule = policy.rules(direction)[decision.rule]
        return policy if _is_wide(rule, direction) else None

    def first_wide(self, decisions: Iterable[Decision | None], direction: Direction) -> Policy | None:
        """The first, in the order of evaluation, of the policies that allow some edges widely."""
        wide = (self.wide(decision, direction) for decision in decisions)
        place = {str(policy.key): number for number, policy in enumerate(self._by_name.values())}
        found = [policy for policy in wide if policy]
        return min(found, key=lambda policy: place[str(policy.key)], default=None)

    def admitted(
        self,
        policy: Policy,
        decisions: Iterable[Decision | None],
        direction: Direction,
        workloads: Iterable[Workload],
    ) -> Admitted:
        """What the rules of a policy that some edges were allowed by let through, widely or not."""
        numbers = {each.rule for each in decisions if each and each.policy == str(policy.key)}
        rules = [rule for number, rule in enumerate(policy.rules(direction)) if number in numbers]
        peers = [rule.source if direction == "ingress" else rule.destination for rule in rules]
        found = {
            (each.namespace, each.name)
            for each in workloads
            if any(peer.selector is None or peer.selector.matches(self._labels(each)) for peer in peers)
        }
        return Admitted(frozenset(found), not all(map(_narrow, peers)), not all(map(_names_ports, rules)))

    def _labels(self, workload: Workload) -> dict[str, str]:
        inherited = {
            f"pcns.{key}": value
            for version in self._facts.namespaces.alive(workload.namespace)
            for key, value in version.fact.labels.items()
        }
        own = dict(workload.stable or {})
        return (
            own
            | inherited
            | {
                "projectcalico.org/namespace": workload.namespace,
                "projectcalico.org/orchestrator": "k8s",
                "pcns.projectcalico.org/name": workload.namespace,
                "pcsa.projectcalico.org/name": own.get(SERVICE_ACCOUNT, ""),
            }
        )


def _number(order: float | None) -> float:
    return float("inf") if order is None else order


def _is_wide(rule: Rule, direction: Direction) -> bool:
    peer = rule.source if direction == "ingress" else rule.destination
    return not _narrow(peer) or not _names_ports(rule)


def _names_ports(rule: Rule) -> bool:
    """Whether a rule says which ports, or is of a protocol that has none."""
    ports = rule.destination
    has_ports = rule.protocol in (None, *WITH_PORTS)
    return not has_ports or bool(ports.ports or ports.named_ports or ports.service)


def _narrow(peer: EntityMatch) -> bool:
    """Whether a rule says who the peer may be."""
    if peer.service or peer.domains:
        return True
    if peer.nets:
        return all(net.prefixlen >= _WIDE[net.version] for net in peer.nets)
    return peer.selector is not None and bool(_named(peer.selector.keys()))


def _named(keys: Iterable[str]) -> list[str]:
    return [
        key for key in keys if key not in ("projectcalico.org/namespace", "projectcalico.org/orchestrator")
    ]

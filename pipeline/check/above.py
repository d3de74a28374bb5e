"""What decides in one tier and direction for certain, found by what it asks of endpoint and peer."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

import msgspec

from pipeline.check.selectors import conjuncts, implies
from pipeline.policy.convert import NAMESPACE
from pipeline.policy.order import policy_key
from pipeline.policy.policies import MODEL_KINDS, Direction, EntityMatch, Policies, Policy, PolicyKey, Rule
from pipeline.policy.selector import Atom, Everything, Selector

BY_ADDRESS = "nets"


class Standing(msgspec.Struct, frozen=True):
    """A rule where it stands."""

    policy: Policy
    index: int
    rule: Rule

    def is_before(self, other: "Standing") -> bool:
        """Whether it comes before the other rule of its tier in every evaluation that has both."""
        if self.policy.key == other.policy.key:
            return self.index < other.index
        return is_before(self.policy, other.policy)


def is_before(one: Policy, other: Policy) -> bool:
    """Whether it comes before the other in their tier, as a staged policy and as what it becomes."""
    ours, theirs = policy_key(one), policy_key(other)
    if ours[0] != theirs[0]:
        return ours[0] < theirs[0]
    return ours < theirs and _enforced_name(one.key) < _enforced_name(other.key)


def _enforced_name(key: PolicyKey) -> bytes:
    return f"{key.name}/{key.namespace}/{MODEL_KINDS[key.twin.kind]}".encode()


@dataclass(slots=True)
class Group:
    """Policies of one selector, and their rules by the one port, if any, and by what they ask of the peer."""

    selector: Selector
    policies: list[Policy] = field(default_factory=list)
    rules: dict[int | None, dict[Hashable, list[Standing]]] = field(default_factory=dict)


class Above:
    """The policies of a tier that govern one direction.

    `passes` are all their Pass rules; the rest is of steady ones only: enforced, with no staged policy
    that would take their place.
    """

    def __init__(self, policies: Policies, tier: str, direction: Direction) -> None:
        self.passes: list[Standing] = []
        self._groups: dict[Selector, Group] = {}
        self._by_anchor: dict[Hashable, list[Group]] = {}
        self._wider: dict[Selector, list[Group]] = {}
        replaced = {policy.key.twin for policy in policies.policies if policy.key.staged}
        for policy in policies.policies:
            if policy.tier == tier and direction in policy.types and policy.workloads:
                self._add(policy, direction, steady=not policy.key.staged and policy.key not in replaced)

    def _add(self, policy: Policy, direction: Direction, *, steady: bool) -> None:
        standing = [Standing(policy, *numbered) for numbered in enumerate(policy.rules(direction))]
        self.passes += [one for one in standing if one.rule.action == "pass"]
        if not steady:
            return
        group = self._groups.get(policy.selector)
        if group is None:
            group = self._groups[policy.selector] = Group(policy.selector)
            for anchor in _anchors(policy.selector):
                self._by_anchor.setdefault(anchor, []).append(group)
        group.policies.append(policy)
        for one in standing:
            if one.rule.action != "log":
                port = _only_port(one.rule)
                for anchor in _peer_anchors(peer(one.rule, direction)):
                    group.rules.setdefault(port, {}).setdefault(anchor, []).append(one)

    def groups_for(self, selector: Selector) -> list[Group]:
        """The groups that select all that the selector does."""
        if (known := self._wider.get(selector)) is not None:
            return known
        near = (group for anchor in _sought(selector) for group in self._by_anchor.get(anchor, ()))
        distinct = {group.selector: group for group in near}.values()
        found = [group for group in distinct if implies(selector, group.selector)]
        self._wider[selector] = found
        return found

    def rules_in(self, groups: Iterable[Group], rule: Rule, direction: Direction) -> Iterable[Standing]:
        """Their rules, those alone whose peers and ports may be all that the rule's are."""
        ports = dict.fromkeys((None, _only_port(rule)))
        held = [by_anchor for group in groups for port in ports if (by_anchor := group.rules.get(port))]
        if not held:  # as nearly always
            return ()
        anchors = [*_sought(peer(rule, direction).selector), BY_ADDRESS]
        return (one for by_anchor in held for anchor in anchors for one in by_anchor.get(anchor, ()))


def peer(rule: Rule, direction: Direction) -> EntityMatch:
    """The side of the rule that is not the policy's own."""
    return rule.source if direction == "ingress" else rule.destination


def _anchors(selector: Selector) -> Iterable[Hashable]:
    """Where a selector is kept: whatever implies it has one of these among what it `_sought`."""
    parts = conjuncts(selector)
    equal = {part.key: part.values[0] for part in parts if isinstance(part, Atom) and part.op == "=="}
    namespace = equal.get(NAMESPACE, "")
    for key, value in equal.items():
        if key != NAMESPACE:
            return [(namespace, key, value)]
    others = [part for part in parts if not (namespace and part.keys() == {NAMESPACE})]
    if not others or isinstance(others[0], Everything):
        return [(namespace,)]
    return [(namespace, key) for key in others[0].keys()]  # noqa: SIM118  # a selector's, which is no mapping


@lru_cache(maxsize=1 << 17)
def _sought(selector: Selector | None) -> Iterable[Hashable]:
    """Where to look for what a selector may imply."""
    atoms = selector.atoms() if selector else ()
    namespaces = ["", *(value for atom in atoms if atom.key == NAMESPACE for value in atom.values)]
    sought = [(), *((atom.key,) for atom in atoms)]
    sought += [(atom.key, value) for atom in atoms for value in atom.values]
    return tuple(dict.fromkeys((namespace, *place) for namespace in namespaces for place in sought))


def _only_port(rule: Rule) -> int | None:
    """The port to which all that the rule matches goes: it covers no rule of another one, nor of several."""
    to = rule.destination
    ports = {port for span in to.ports for port in span}
    return ports.pop() if len(ports) == 1 and not to.named_ports else None


def _peer_anchors(match: EntityMatch) -> Iterable[Hashable]:
    if match.selector:
        return _anchors(match.selector)
    return [BY_ADDRESS] if match.nets else [("",)]

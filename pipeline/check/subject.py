"""What lints look at: a whole revision with its manifests, and what is known of the cluster."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.check.known import Known
from pipeline.check.unreachable import DIRECTIONS, Exceptions, Search, Unreachable
from pipeline.policy.load import Loaded, Place
from pipeline.policy.policies import MODEL_KINDS, Direction, Policies, Policy, PolicyKey, Tier
from pipeline.policy.problems import Location, Problem
from pipeline.policy.resources import Document, Resource, Said, find
from pipeline.policy.revision import to_policies

CONVERTED = ("knp", "sknp", "kcnp")  # kinds of Kubernetes' own


@dataclass(frozen=True)
class Subject:
    """Manifests of which none is refused; `known` are the cluster's endpoints, None where no pod is known;
    `tiers` the names of tiers that have an object, here or among what is known."""

    loaded: Loaded
    known: Known | None = None
    tiers: frozenset[str] = frozenset()

    @cached_property
    def policies(self) -> Policies:
        return to_policies(self.loaded)

    @cached_property
    def resources(self) -> Mapping[str, Resource[Said]]:
        return {resource.key: resource for resource in self.loaded.policies}

    @cached_property
    def unreachable(self) -> Sequence[Unreachable]:
        """All that no traffic can reach."""
        calico = [policy for policy in self.policies.policies if policy.key.kind not in CONVERTED]
        specs = {policy.key: self.document(policy.key)["spec"] for policy in calico}
        narrower = {
            (key, direction, index)
            for key, spec in specs.items()
            for direction in DIRECTIONS
            for index, rule in enumerate(spec.get(direction) or ())
            if rule.get("http")
        }
        forwarding = {key for key, spec in specs.items() if spec.get("applyOnForward")}
        return list(Search(self.policies, Exceptions(narrower, forwarding)).all())

    def document(self, key: PolicyKey) -> Document:
        """The manifest of a policy."""
        return self.resources[resource_key(key)].document

    def place(self, key: PolicyKey) -> Place:
        """Where a policy stands."""
        return self.loaded.places[resource_key(key)]

    def problem(self, policy: Policy, location: Location, reason: str) -> Problem:
        """Something about a policy."""
        return self.place(policy.key).problem(location, reason)

    def items(self, policy: Policy, direction: Direction) -> list[int]:
        """For each rule of a direction the index of what says it in the manifest: Kubernetes' rules become
        several (CALICO.md §3.2)."""
        if policy.key.kind not in CONVERTED:
            return list(range(len(policy.rules(direction))))
        document = self.document(policy.key)
        written = document["spec"].get(direction) or []
        return [index for index, item in enumerate(written) for _ in _converted(document, direction, item)]


def resource_key(key: PolicyKey) -> str:
    """What names the policy among what was loaded."""
    return f"{MODEL_KINDS[key.kind]}/{key.namespace}/{key.name}"


def tiers_of(loaded: Iterable[Loaded]) -> frozenset[str]:
    """The names of the tiers that have an object."""
    plain = (resource.plain for each in loaded for resource in each.policies)
    return frozenset(tier.name for tier in plain if isinstance(tier, Tier))


def _converted(document: Document, direction: Direction, item: object) -> tuple[object, ...]:
    alone = document | {"spec": document["spec"] | {direction: [item]}}
    kind = find(document["apiVersion"], document["kind"])
    assert kind
    plain = kind.plain(kind.schema.model_validate(alone), document["metadata"].get("namespace", ""))
    assert isinstance(plain, Policy)
    return plain.rules(direction)

"""Who may do what in which tier and namespace, as rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.policy.can_i import EVERY, SERVED, VERBS, Served, Target, Verb, can_i
from pipeline.policy.rbac import Rbac, Rights, Who

POLICIES = tuple(kind for kind, served in SERVED.items() if "policies" in served.resource)
SHOWN = ("Tier", *POLICIES, "GlobalNetworkSet", "NetworkSet")


@dataclass(frozen=True, slots=True)
class Row:
    """Verbs that somebody may do: `tier` "" where the kind has none, `namespace` "" in the whole cluster,
    `name` "" whatever it is called."""

    who: Who
    kind: str
    tier: str
    namespace: str
    name: str
    verbs: tuple[Verb, ...]


def subjects(rbac: Rbac) -> list[Who]:
    """All whom bindings name."""
    bound = (Who.bound(subject) for binding in rbac.bindings for subject in binding.subjects)
    return sorted(set(bound), key=str)


def matrix(rights: Rights, tiers: Sequence[str]) -> Iterator[Row]:
    """All that they may do, so that `can_i` says yes to exactly what a row covers.

    As Calico's permission calculator (CALICO.md §8): tier by tier, cluster-wide, else by namespace. Beyond
    that only where Kubernetes' own permission is there too, and with the names that rules give.
    """
    for kind in SHOWN:
        served = SERVED[kind]
        for tier in tiers if served.tiered else ("",):
            yield from _rows(rights, served, Target(kind, tiers=(tier,) if tier else ()))


def _rows(rights: Rights, served: Served, target: Target) -> Iterator[Row]:
    """Rows for one kind in one tier: what a wider row says is not said again."""
    known: dict[tuple[str, str], frozenset[Verb]] = {}
    namespaces = ["", *sorted(filter(None, rights.grants))] if served.namespaced else [""]
    for namespace in namespaces:
        for name in ("", *_names(rights, served)):
            wider = {("", ""), (namespace, ""), ("", name)} - {(namespace, name)}
            said = frozenset().union(*(known.get(each, frozenset()) for each in wider))
            asked = Target(target.kind, namespace, name, target.tiers)
            verbs = tuple(verb for verb in VERBS if verb not in said and can_i(rights, verb, asked).allowed)
            if verbs:
                known[namespace, name] = frozenset(verbs)
                tier = target.tiers[0] if target.tiers else ""
                yield Row(rights.who, target.kind, tier, namespace, name, verbs)


def _names(rights: Rights, served: Served) -> list[str]:
    """The names that rules for this resource give, but for those of whole tiers."""
    resources = {served.resource, f"tier.{served.resource}", "*"}
    held = (grant.rule for grants in rights.grants.values() for grant in grants)
    names = {name for rule in held if resources & {*rule.resources} for name in rule.names}
    return sorted(name for name in names if not name.endswith(EVERY))


def mentioned_tiers(rbac: Rbac) -> list[str]:
    """The tiers that rules name: they may have an object although none is among the manifests."""
    rules = [rule for role in rbac.roles for rule in role.rules]
    seen = {name for rule in rules if "tiers" in rule.resources for name in rule.names}
    every = {name.removesuffix(EVERY) for rule in rules for name in rule.names if name.endswith(EVERY)}
    return sorted(name for name in seen | every if "." not in name)

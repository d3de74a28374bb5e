"""Hypothesis strategies for small worlds of policies and for flows of which something is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address, ip_network

from hypothesis import strategies as st

from pipeline.identity import Candidate, Identity, NamedPort, Side, Slice
from pipeline.match.addresses import ROOTS
from pipeline.match.reference import LabelledSet, OpenFlow
from pipeline.policy.policies import (
    ANY_ENTITY,
    MODEL_KINDS,
    Action,
    Direction,
    EntityMatch,
    Network,
    NetworkSet,
    Policies,
    Policy,
    PolicyKey,
    PolicyKind,
    Rule,
    StagedAction,
    Tier,
)
from pipeline.policy.selector import ALL, parse

__all__ = ["OpenFlow", "World", "flows", "worlds"]

# Universes are small, so that what policies ask for and what flows are often meet.
NAMESPACES = {"a": {"env": "dev"}, "b": {"env": "prod", "team": "x"}}
ACCOUNTS = {"default": {}, "api": {"role": "writer"}}
APPS = ("web", "db", "web-db")
SELECTORS = tuple(
    parse(text)
    for text in (
        "all()",
        "app == 'web'",
        "app != 'db'",
        "has(app)",
        "!has(app)",
        "app in {'web', 'db'}",
        "app contains '-' && app starts with 'web'",
        "app ends with 'db' || ver == 'v1'",
        "ver not in {'v1'}",
        "projectcalico.org/namespace == 'a'",
        "projectcalico.org/namespace == 'b' && app == 'db'",
        "pcns.env == 'prod'",
        "pcns.env != 'prod' && has(projectcalico.org/namespace)",
        "pcns.team == 'x' && app == 'web'",
        "pcsa.role == 'writer'",
        "projectcalico.org/serviceaccount in {'api'}",
        "kind == 'threat'",
    )
)
NETS = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8",
            "10.1.0.0/16",
            "10.1.0.4/30",
            "203.0.113.0/25",
            "0.0.0.0/0",
            "fd00::/16",
            "2001:db8::/64",
        ),
    )
)
ADDRESSES = {
    4: tuple(map(ip_address, ("10.1.0.4", "10.1.0.9", "10.9.0.1", "203.0.113.7", "198.51.100.1"))),
    6: tuple(map(ip_address, ("fd00:1::4", "2001:db8::1", "2a00::1"))),
}
REGIONS: tuple[tuple[Network, ...], ...] = (
    (ip_network("10.1.0.0/24"),),
    (ip_network("10.0.0.0/8"), ip_network("172.16.0.0/12")),
    (ip_network("203.0.113.0/24"), ip_network("2001:db8::/32")),
    (),
)
PATTERNS = ("api.example.com", "*.example.com", "*.org")
DOMAINS = ("api.example.com", "www.example.com", "example.org")
PORT_NAMES = ("http", "dns")
NAMED_PORTS = tuple(NamedPort(name, *end) for name in PORT_NAMES for end in ((6, 80), (17, 53)))
PORTS = (0, 53, 80, 8080, 65535)
RANGES = ((80, 80), (53, 80), (8000, 65535))
SERVICES = (("a", "svc"), ("b", "svc"))
TCP, UDP, ICMP, ICMP6 = 6, 17, 1, 58
TIERS = (Tier("first", 1.0, "pass"), Tier("second", 2.0, "deny"), Tier("default", 1e6, "deny"))


@dataclass(frozen=True, slots=True)
class World:
    """Policies and what they are judged against; `sets[i]` is `policies.network_sets[i]`, all labels."""

    policies: Policies
    sets: tuple[LabelledSet, ...]
    slices: tuple[Slice, ...]


@cache
def some[T](items: Sequence[T], most: int = 2) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(st.sampled_from(items), max_size=most, unique=True).map(tuple)


@cache
def maybe[T](items: Sequence[T] | st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    one = items if isinstance(items, st.SearchStrategy) else st.sampled_from(items)
    return st.none() | one


@cache
def entities(*, ports: bool, service: bool, domains: bool) -> st.SearchStrategy[EntityMatch]:
    """What a rule may ask of a side, as Calico's validator would take it."""
    matches = st.builds(
        EntityMatch,
        selector=maybe(SELECTORS),
        nets=some(NETS),
        not_nets=some(NETS, 1),
        ports=some(RANGES, 1) if ports else st.just(()),
        named_ports=some(PORT_NAMES),
        not_ports=some(RANGES, 1) if ports else st.just(()),
        not_named_ports=some(PORT_NAMES, 1),
    )
    choices = [
        st.just(ANY_ENTITY),
        st.just(ANY_ENTITY),
        matches,
        st.builds(EntityMatch, selector=st.sampled_from(SELECTORS)),
        st.builds(EntityMatch, not_selector=st.sampled_from(SELECTORS), nets=some(NETS, 1)),
        st.builds(EntityMatch, nets=some(NETS), not_nets=some(NETS, 1)),
    ]
    if service:
        choices.append(st.builds(EntityMatch, service=st.sampled_from(SERVICES)))
    if domains:
        choices.append(st.builds(EntityMatch, domains=some(PATTERNS)))
    return st.one_of(choices)


@cache
@st.composite
def rules(draw: st.DrawFn, direction: Direction) -> Rule:
    action: Action = draw(st.sampled_from(("allow", "allow", "deny", "pass", "log")))
    protocol = draw(st.sampled_from((None, None, TCP, TCP, UDP, ICMP, ICMP6, 47)))
    ports = protocol in (TCP, UDP)
    icmp = maybe(((8, None), (8, 0), (3, 1))) if protocol in (ICMP, ICMP6) else st.none()
    egress = direction == "egress"
    return Rule(
        action,
        draw(entities(ports=ports, service=not egress, domains=False)),
        draw(entities(ports=ports, service=egress, domains=egress and action == "allow")),
        protocol,
        draw(st.sampled_from((None, None, None, TCP, UDP))),
        draw(st.sampled_from((None, None, None, 4, 6))),
        draw(icmp),
        draw(icmp),
    )


@cache
@st.composite
def policies_of(draw: st.DrawFn, key: PolicyKey, tiers: Sequence[Tier]) -> Policy:
    selector = draw(st.just(ALL) | st.sampled_from(SELECTORS))
    directions: tuple[Direction, ...] = ("ingress", "egress")
    own = f"({selector}) && projectcalico.org/namespace == '{key.namespace}'"
    actions: tuple[StagedAction, ...] = (
        ("Set", "Set", "Set", "Delete", "Learn", "Ignore") if key.staged else ("Set",)
    )
    return Policy(
        key=key,
        tier="default" if key.kind in ("knp", "sknp") else draw(st.sampled_from(tiers)).name,
        order=draw(st.sampled_from((None, -1.5, 0.0, 0.0, 10.0))),
        selector=parse(own) if key.namespace else selector,
        types=frozenset(draw(st.sampled_from((directions, directions, directions[:1], directions[1:])))),
        ingress=tuple(draw(st.lists(rules("ingress"), max_size=2))),
        egress=tuple(draw(st.lists(rules("egress"), max_size=2))),
        staged_action=draw(st.sampled_from(actions)),
        workloads=draw(st.sampled_from((True, True, True, True, True, False))),
    )


@cache
def keys() -> st.SearchStrategy[PolicyKey]:
    """Few names, so that staged policies often have an enforced twin."""
    of_cluster: tuple[PolicyKind, ...] = ("gnp", "sgnp", "sgnp", "kcnp")
    of_namespace: tuple[PolicyKind, ...] = ("np", "snp", "snp", "knp", "sknp")
    names = st.sampled_from(("p", "q"))
    return st.builds(PolicyKey, st.sampled_from(of_cluster), st.just(""), names) | st.builds(
        PolicyKey, st.sampled_from(of_namespace), st.sampled_from(tuple(NAMESPACES)), names
    )


def inherited(prefix: str, name: str, labels: dict[str, str]) -> dict[str, str]:
    return {prefix + key: value for key, value in {**labels, "projectcalico.org/name": name}.items()}


@cache
@st.composite
def network_sets(draw: st.DrawFn, name: str) -> NetworkSet:
    namespace = draw(st.sampled_from(("", *NAMESPACES)))
    labels = draw(st.sampled_from(({"kind": "threat"}, {"app": "web"}, {"app": "db", "ver": "v1"})))
    if namespace:
        labels = {**labels, "projectcalico.org/namespace": namespace}
    return NetworkSet(namespace, name, tuple(sorted(labels.items())), draw(some(NETS)), draw(some(PATTERNS)))


def labelled(known: NetworkSet) -> LabelledSet:
    of_namespace = inherited("pcns.", known.namespace, NAMESPACES[known.namespace]) if known.namespace else {}
    return LabelledSet(tuple(sorted((of_namespace | dict(known.labels)).items())), known.nets, known.domains)


@cache
def slices() -> st.SearchStrategy[Slice]:
    everywhere = (*ADDRESSES[4], *ADDRESSES[6])
    ports = st.sampled_from(((TCP, 80), (UDP, 53), (TCP, None), (None, None)))
    return st.builds(
        Slice,
        st.sampled_from(SERVICES),
        st.frozensets(st.sampled_from(everywhere).map(ip_network), max_size=2) | st.just(frozenset(ROOTS)),
        st.frozensets(ports, min_size=1, max_size=2),
        st.booleans(),
    )


def in_order(tiers: Sequence[Tier], policies: Sequence[Policy]) -> tuple[Policy, ...]:
    places = [tier.name for tier in tiers]

    def place(policy: Policy) -> tuple[int, bool, float, str]:
        key, order = policy.key, policy.order
        tie = f"{key.name}/{key.namespace}/{MODEL_KINDS[key.kind]}"
        return places.index(policy.tier), order is None, order or 0.0, tie

    return tuple(sorted(policies, key=place))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Up to six policies, enforced and staged, in up to four tiers, with sets and services."""
    tiers = draw(st.sampled_from((TIERS, TIERS, (*TIERS, Tier("unheard-of", None, "deny", defined=False)))))
    chosen = draw(st.lists(keys(), min_size=3, max_size=6, unique=True))
    known = tuple(draw(network_sets(name)) for name in draw(some(("s", "t"))))
    policies = in_order(tiers, [draw(policies_of(key, tiers)) for key in chosen])
    return World(
        Policies("revision", tiers, policies, known),
        tuple(map(labelled, known)),
        tuple(draw(st.lists(slices(), max_size=2))),
    )


@cache
@st.composite
def workloads(draw: st.DrawFn, *, may_be_open: bool) -> Identity:
    """A pod of one of the namespaces, with profiles or without; if open, some of its labels are not known."""
    namespace, account = draw(st.sampled_from(tuple(NAMESPACES))), draw(st.sampled_from(tuple(ACCOUNTS)))
    own = {key: draw(maybe(values)) for key, values in {"app": APPS, "ver": ("v1", "v2")}.items()}
    labels = {
        **inherited("pcns.", namespace, NAMESPACES[namespace]),
        **inherited("pcsa.", account, ACCOUNTS[account]),
        **{key: value for key, value in own.items() if value is not None},
        "projectcalico.org/namespace": namespace,
        "projectcalico.org/orchestrator": "k8s",
        "projectcalico.org/serviceaccount": account,
    }
    profiles = draw(st.sampled_from(((f"kns.{namespace}", f"ksa.{namespace}.{account}"),) * 4 + ((),)))
    complete = Identity("wep", tuple(sorted(labels.items())), draw(some(NAMED_PORTS)), profiles)
    return draw(opened(complete)) if may_be_open else complete


@cache
@st.composite
def opened(draw: st.DrawFn, identity: Identity) -> Identity:
    """The same with labels, or named ports, that nobody knows."""
    openings = (
        (("",), ("pcns.", "pcsa.")),
        (("pcsa.", "projectcalico.org/serviceaccount"), ()),
        (("pcns.",), ()),
        ((), ()),
    )
    prefixes, closed = draw(st.sampled_from(openings))
    open_ports = draw(st.booleans())
    wide = Identity(identity.kind, (), (), identity.profiles, prefixes, open_ports, closed)
    kept = ("projectcalico.org/namespace", "projectcalico.org/orchestrator", *draw(some(("app", "ver"))))
    labels = tuple((key, value) for key, value in identity.labels if key in kept or not wide.is_open(key))
    return Identity(identity.kind, labels, identity.ports, identity.profiles, prefixes, open_ports, closed)


@cache
def alone(version: int) -> st.SearchStrategy[tuple[Network, ...]]:
    return st.sampled_from(ADDRESSES[version]).map(lambda address: (ip_network(address),))


@cache
def regions(version: int) -> st.SearchStrategy[tuple[Network, ...]]:
    return st.sampled_from([r for r in REGIONS if not r or any(net.version == version for net in r)])


@cache
def pods(version: int, *, may_be_open: bool) -> st.SearchStrategy[Candidate]:
    addresses = alone(version) | regions(version) if may_be_open else alone(version)
    return st.builds(Candidate, workloads(may_be_open=may_be_open), addresses)


@cache
def workload_sides(version: int) -> st.SearchStrategy[Side]:
    """One pod, known; one that is not wholly known; any one of two."""
    known, opened_ = pods(version, may_be_open=False), pods(version, may_be_open=True)
    return st.one_of(
        st.builds(lambda one: Side((one,)), known),
        st.builds(lambda one: Side((one,)), known),
        st.builds(lambda one: Side((one,), ("labels",)), opened_),
        st.builds(lambda *both: Side(both, ("pod",)), known, known),
    )


@cache
def other_sides(version: int, domains: st.SearchStrategy[tuple[str, ...] | None]) -> st.SearchStrategy[Side]:
    """A host endpoint, a plain address, known or not, a network set that the revision does not have."""
    host = Identity("hep", (("app", "web"),))
    unknown_set = Identity("ns", (), open_prefixes=("",))
    candidates = st.one_of(
        st.builds(Candidate, st.just(None), alone(version)),
        st.builds(Candidate, st.just(None), regions(version), st.booleans()),
        st.builds(Candidate, st.just(host), alone(version)),
        st.builds(Candidate, st.just(unknown_set), alone(version)),
    )
    return st.builds(lambda one, names: Side((one,), ("address",), names), candidates, domains)


@st.composite
def flows(draw: st.DrawFn, world: World) -> OpenFlow:
    """A flow to be judged at a workload, as a record may leave it: any part may be missing."""
    version = draw(st.sampled_from((4, 4, 4, 6)))
    direction: Direction = draw(st.sampled_from(("ingress", "egress")))
    local = draw(workload_sides(version))
    domains = st.just(()) if direction == "ingress" else st.none() | some(DOMAINS)
    peer = draw(workload_sides(version) | other_sides(version, domains))
    own_host = draw(st.sampled_from((False, False, True, None))) if direction == "ingress" else False
    asked = [rule.protocol for policy in world.policies.policies for rule in policy.rules(direction)]
    protocol = draw(st.sampled_from((TCP, TCP, UDP, ICMP, ICMP6, 47, 0, None, *asked)))
    icmp = (8 << 8, 3 << 8 | 1, 0)
    return OpenFlow(
        source=local if direction == "egress" else peer,
        destination=peer if direction == "egress" else local,
        protocol=protocol,
        source_port=draw(st.sampled_from((40000, 40000, 80, None))),
        dest_port=draw(maybe(icmp if protocol in (ICMP, ICMP6) else PORTS)),
        direction=direction,
        own_host=own_host,
    )

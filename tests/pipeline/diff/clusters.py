"""Hypothesis strategies for small clusters, and changes of their policies."""

from dataclasses import replace

from hypothesis import strategies as st
from msgspec.structs import replace as with_

from pipeline.facts import Facts
from pipeline.policy.facts_resources import EndpointSlice, Fact, HostEndpoint, Namespace, Pod, ServiceAccount
from pipeline.policy.policies import ANY_ENTITY, EntityMatch, Policies, Policy, PolicyKey, Rule
from pipeline.policy.selector import ALL
from tests.pipeline.match.strategies import (
    ACCOUNTS,
    APPS,
    NAMED_PORTS,
    NAMESPACES,
    NETS,
    PORT_NAMES,
    RANGES,
    SELECTORS,
    SERVICES,
    TIERS,
    in_order,
    maybe,
    some,
    worlds,
)

IPS = ("10.1.0.4", "10.1.0.9", "10.9.0.1", "203.0.113.7", "fd00:1::4", "198.51.100.1")


@st.composite
def pods(draw: st.DrawFn, number: int) -> Pod:
    labels = {key: draw(maybe(values)) for key, values in {"app": APPS, "ver": ("v1", "v2")}.items()}
    known = {key: value for key, value in labels.items() if value is not None}
    names = draw(some(PORT_NAMES))
    ports = [port for port in NAMED_PORTS if port.name in names]
    return Pod(
        draw(st.sampled_from(tuple(NAMESPACES))),
        f"pod-{number}",
        labels=known,
        service_account=draw(st.sampled_from(tuple(ACCOUNTS))),
        ips=(IPS[number],),
        ports=tuple((name, protocol, port) for name, protocol, port in ports),
    )


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    """Two to four pods, perhaps a host, two services."""
    known: list[Fact] = [Namespace(name, labels) for name, labels in NAMESPACES.items()]
    known += [ServiceAccount(ns, name, labels) for ns in NAMESPACES for name, labels in ACCOUNTS.items()]
    known += [draw(pods(number)) for number in range(draw(st.integers(2, 4)))]
    if draw(st.booleans()):
        known.append(HostEndpoint("host", "node", {"app": "web"}, (IPS[5],)))
    ports = st.sampled_from((((6, 80),), ((17, 53),), ((6, None),)))
    for namespace, name in SERVICES:
        known.append(EndpointSlice(namespace, name, name, draw(some(IPS)), draw(ports)))
    return Facts.from_resources(known)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """A rule that most often says something of some of the traffic of some pods."""
    ends = st.builds(EntityMatch, selector=st.sampled_from(SELECTORS)) | st.builds(
        EntityMatch, nets=st.sampled_from(NETS).map(lambda net: (net,))
    )
    source, dest = draw(st.just(ANY_ENTITY) | ends), draw(st.just(ANY_ENTITY) | ends)
    protocol = draw(st.sampled_from((6, 6, 6, 17, None)))
    if protocol:
        dest = with_(dest, ports=draw(some(RANGES, 1)), named_ports=draw(some(PORT_NAMES, 1)))
        source = with_(source, ports=draw(st.just(()) | st.just(()) | some(RANGES, 1)))
    return Rule(draw(st.sampled_from(("allow", "allow", "deny", "pass"))), source, dest, protocol)


@st.composite
def policies(draw: st.DrawFn, key: PolicyKey) -> Policy:
    return Policy(
        key,
        draw(st.sampled_from(TIERS)).name,
        draw(st.sampled_from((0.0, 10.0))),
        draw(st.just(ALL) | st.sampled_from(SELECTORS)),
        frozenset(draw(st.sampled_from((("ingress",), ("egress",), ("ingress", "egress"))))),
        ingress=tuple(draw(st.lists(rules(), min_size=1, max_size=3))),
        egress=tuple(draw(st.lists(rules(), min_size=1, max_size=3))),
    )


@st.composite
def edits(draw: st.DrawFn) -> tuple[Policies, Policies]:
    """A revision of few policies, and one in which a policy is another, is gone or is new."""
    keys = [PolicyKey("gnp", "", name) for name in "pqr"]
    chosen = {key: draw(policies(key)) for key in keys[: draw(st.integers(1, 3))]}
    key = draw(st.sampled_from(keys))
    edited = {k: policy for k, policy in chosen.items() if k != key}
    if draw(st.integers(0, 3)):
        edited[key] = draw(policies(key))
    base, head = (
        Policies(name, TIERS, in_order(TIERS, [*own.values()]))
        for name, own in (("base", chosen), ("head", edited))
    )
    return base, head


@st.composite
def swaps(draw: st.DrawFn) -> tuple[Policies, Policies]:
    """A revision of anything, and one with some policies of another in the place of some of its own."""
    one, other = (draw(worlds()).policies for _ in range(2))
    taken = draw(some(tuple(p.key for p in other.policies), 3))
    left = draw(some(tuple(p.key for p in one.policies), 3))
    kept = {p.key: p for p in one.policies if p.key not in left}
    kept |= {p.key: p for p in other.policies if p.key in taken}
    tiers = one.tiers if len(one.tiers) > len(other.tiers) else other.tiers
    sets = draw(st.sampled_from((one.network_sets, other.network_sets)))
    head = replace(one, revision="head", tiers=tiers, policies=in_order(tiers, [*kept.values()]))
    return one, replace(head, network_sets=sets)


__all__ = ["edits", "facts", "swaps"]

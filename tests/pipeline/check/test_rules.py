"""What is proved of two rules holds for every flow of a small cluster, as the reference matches them."""

from functools import cache
from ipaddress import ip_address, ip_network
from itertools import product

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.check.rules import apart, covers
from pipeline.identity import Identity, Slice
from pipeline.match.rule import CompleteFlow, LabelledSet, Party, rule_matches
from pipeline.policy.policies import Direction, EntityMatch, Rule
from pipeline.policy.selector import any_of, parse
from tests.pipeline.check.variants import pairs
from tests.pipeline.match.strategies import (
    ACCOUNTS,
    ADDRESSES,
    DOMAINS,
    ICMP,
    NAMED_PORTS,
    NAMESPACES,
    NETS,
    TCP,
    UDP,
    inherited,
)

PATIENT = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)
SETS = (
    LabelledSet((("kind", "threat"),), (ip_network("203.0.113.0/25"),), ("*.example.com",)),
    LabelledSet((("app", "web"),), (ip_network("10.1.0.4/30"), ip_network("2001:db8::/64"))),
)
SLICES = (Slice(("a", "svc"), frozenset({ip_network("10.1.0.4/32")}), frozenset({(TCP, 80)})),)
ENDS = [
    *(
        (protocol, source, dest)
        for protocol in (TCP, UDP)
        for source in (80, 40000)
        for dest in (53, 80, 8080)
    ),
    *((ICMP, 0, kind << 8 | code) for kind, code in ((8, 0), (8, 1), (3, 1))),
    (47, 0, 0),
]


def pod(namespace: str, account: str, **own: str) -> Identity:
    labels = {
        **inherited("pcns.", namespace, NAMESPACES[namespace]),
        **inherited("pcsa.", account, ACCOUNTS[account]),
        **own,
        "projectcalico.org/namespace": namespace,
        "projectcalico.org/orchestrator": "k8s",
        "projectcalico.org/serviceaccount": account,
    }
    ports = NAMED_PORTS if account == "api" else NAMED_PORTS[:1]
    return Identity("wep", tuple(sorted(labels.items())), ports)


IDENTITIES = (
    pod("a", "api", app="web", ver="v1"),
    pod("a", "default", app="db"),
    pod("b", "default", app="web-db", ver="v2"),
    pod("b", "api"),
    Identity("hep", (("app", "web"),)),
    None,
)


@cache
def every_flow() -> tuple[CompleteFlow, ...]:
    """All that can happen between a few endpoints at each address, resolved by a domain or not."""
    found = []
    for version, known in ADDRESSES.items():
        everyone = [
            Party(identity, address, domains)
            for identity, address in product(IDENTITIES, map(ip_address, known))
            for domains in ((), DOMAINS[:1])
            if identity is None or not domains
        ]
        locals_ = [Party(identity, ip_address(known[0])) for identity in IDENTITIES[:3]]
        for one, other, end in product(locals_, everyone, ENDS):
            if version == 4 or end[0] != ICMP:
                found += [CompleteFlow(one, other, *end), CompleteFlow(other, one, *end)]
    return tuple(found)


def matched_by(rule: Rule, direction: Direction) -> set[int]:
    """The flows, by number, that a rule of this direction matches."""
    flows = enumerate(every_flow())
    return {number for number, flow in flows if rule_matches(rule, flow, direction, SETS, SLICES)}


@PATIENT
@given(st.data(), st.sampled_from(("ingress", "egress")))
def test_a_rule_that_covers_another_matches_all_that_it_does(data, direction):
    wide, narrow = data.draw(pairs(direction))
    assume(covers(wide, narrow, direction))
    assert matched_by(narrow, direction) <= matched_by(wide, direction)


@PATIENT
@given(st.data(), st.sampled_from(("ingress", "egress")))
def test_rules_that_are_apart_never_match_the_same_flow(data, direction):
    one, other = data.draw(pairs(direction))
    assume(apart(one, other))
    assert matched_by(one, direction).isdisjoint(matched_by(other, direction))


WEB, ALL_PODS = parse("app == 'web'"), parse("has(projectcalico.org/namespace)")
NARROW = Rule(
    "allow", source=EntityMatch(selector=WEB), destination=EntityMatch(ports=((80, 80),)), protocol=TCP
)


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        (Rule("deny"), NARROW, True),
        (Rule("deny", protocol=TCP), NARROW, True),
        (Rule("deny", protocol=UDP), NARROW, False),
        (Rule("deny", not_protocol=UDP), NARROW, True),
        (Rule("deny", not_protocol=TCP), NARROW, False),
        (Rule("deny", ip_version=4), NARROW, False),
        (Rule("deny", ip_version=4), replace(NARROW, ip_version=4), True),
        (
            Rule("deny", ip_version=4),
            replace(NARROW, source=EntityMatch(nets=NETS[:1])),
            True,
        ),
        (Rule("deny", protocol=TCP, destination=EntityMatch(ports=((1, 1024),))), NARROW, True),
        (Rule("deny", protocol=TCP, destination=EntityMatch(ports=((81, 1024),))), NARROW, False),
        (Rule("deny", protocol=TCP, destination=EntityMatch(not_ports=((22, 22),))), NARROW, True),
        (Rule("deny", protocol=TCP, destination=EntityMatch(not_ports=((80, 90),))), NARROW, False),
        (Rule("deny", destination=EntityMatch(named_ports=("http",))), NARROW, False),
        (Rule("deny", source=EntityMatch(selector=any_of(WEB, ALL_PODS))), NARROW, True),
        (Rule("deny", source=EntityMatch(selector=ALL_PODS)), NARROW, False),
        (Rule("deny", source=EntityMatch(not_selector=WEB)), NARROW, False),
        (
            Rule("deny", source=EntityMatch(nets=NETS[:1])),
            Rule("deny", source=EntityMatch(nets=NETS[1:2])),
            True,
        ),
        (
            Rule("deny", source=EntityMatch(nets=NETS[1:2])),
            Rule("deny", source=EntityMatch(nets=NETS[:1])),
            False,
        ),
        (
            Rule("deny", source=EntityMatch(not_nets=NETS[1:2])),
            Rule("deny", source=EntityMatch(not_nets=NETS[:1])),
            True,
        ),
        (
            Rule("deny", source=EntityMatch(not_nets=NETS[:1])),
            Rule("deny", source=EntityMatch(not_nets=NETS[1:2])),
            False,
        ),
        (Rule("deny", protocol=ICMP, icmp=(8, None)), Rule("allow", protocol=ICMP, icmp=(8, 0)), True),
        (Rule("deny", protocol=ICMP, icmp=(8, 0)), Rule("allow", protocol=ICMP, icmp=(8, None)), False),
        (Rule("deny", not_icmp=(8, 0)), Rule("allow", not_icmp=(8, None)), True),
        (Rule("deny", not_icmp=(8, None)), Rule("allow", not_icmp=(8, 0)), False),
    ],
)
def test_the_usual_cases_are_told_apart(wide, narrow, covered):
    assert covers(wide, narrow, "ingress") is covered
    assert (matched_by(narrow, "ingress") <= matched_by(wide, "ingress")) or not covered


def test_a_sets_domains_are_no_peers_of_a_rule_that_denies():
    to_threats = EntityMatch(selector=parse("kind == 'threat'"))
    deny, allow = Rule("deny", destination=to_threats), Rule("allow", destination=to_threats)
    assert not covers(deny, allow, "egress")
    assert covers(deny, allow, "ingress")
    assert not matched_by(allow, "egress") <= matched_by(deny, "egress")

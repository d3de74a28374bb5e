"""What is proved of two rules holds for every flow of a small cluster, as the reference matches them."""

from functools import cache
from ipaddress import ip_address, ip_network
from itertools import product

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.check.rules import apart, covers
from pipeline.identity import Identity, Slice
from pipeline.match.rule import CompleteFlow, LabelledSet, Party, rule_matches
from pipeline.policy.policies import Direction, Rule
from tests.pipeline.check.variants import pairs
from tests.pipeline.match.strategies import (
    ACCOUNTS,
    ADDRESSES,
    DOMAINS,
    ICMP,
    NAMED_PORTS,
    NAMESPACES,
    TCP,
    UDP,
    inherited,
)

PATIENT = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=150)
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

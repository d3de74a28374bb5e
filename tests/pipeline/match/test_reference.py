from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from pipeline.identity import Candidate, Identity, NamedPort, Side, Slice
from pipeline.match.reference import CompleteFlow, LabelledSet, OpenFlow, Party, decide, judge
from pipeline.match.rule import domain_matches, rule_matches
from pipeline.match.verdict import Decision, Outcome, TooMany
from pipeline.policy.policies import EntityMatch, Policies, Policy, PolicyKey, Rule, Tier
from pipeline.policy.selector import ALL, parse

MANY = 1000
FIRST, DEFAULT = Tier("first", 1, "deny"), Tier("default", 2, "deny")
ALLOW, DENY, PASS, LOG = Rule("allow"), Rule("deny"), Rule("pass"), Rule("log")
WEB = Identity("wep", (("app", "web"),), (NamedPort("http", 6, 80),), ("kns.a", "ksa.a.default"))
BARE = replace(WEB, profiles=())
SOURCE, DESTINATION = Party(WEB, ip_address("10.0.0.1")), Party(WEB, ip_address("10.0.0.2"))
FLOW = CompleteFlow(SOURCE, DESTINATION, 6, 40000, 80)
OUTSIDE = Party(None, ip_address("198.51.100.1"))
OUTSIDE_6 = Party(None, ip_address("2001:db8::1"))
PING = replace(FLOW, protocol=1, dest_port=8 << 8)
THREATS = LabelledSet((("kind", "threat"),), (ip_network("198.51.100.0/24"),), ("*.bad.org",))
SVC = Slice(("a", "svc"), frozenset({ip_network(DESTINATION.address)}), frozenset({(6, 80)}))


def policy(name, *rules, tier="default", order=None, **others):
    """`gnp:name` or `np:ns/name`; all of its rules govern ingress."""
    kind, _, rest = name.partition(":")
    namespace, _, short = rest.rpartition("/")
    key = PolicyKey(kind, namespace, short)
    return Policy(key, tier, order, ALL, frozenset({"ingress"}), ingress=rules, **others)


def policies(*these):
    return Policies("revision", (FIRST, DEFAULT), these)


def trace(these, scope, flow=FLOW):
    return decide(these, (), (), flow, "ingress", scope).trace


SCOPES = {
    "a staged policy is one more policy when pending, and takes its twin's place when promoted": (
        policies(policy("gnp:p", ALLOW), policy("sgnp:p", DENY)),
        "0|default|gnp:p|allow|0",
        "0|default|gnp:p|allow|0",
        "0|default|sgnp:p|deny|0",
    ),
    "a twin may move to another tier": (
        policies(policy("sgnp:p", DENY, tier="first"), policy("gnp:p", ALLOW)),
        "0|default|gnp:p|allow|0",
        "0|first|sgnp:p|deny|0",
        "0|first|sgnp:p|deny|0",
    ),
    "a staged Delete changes nothing but what is promoted": (
        policies(policy("gnp:p", DENY), policy("sgnp:p", staged_action="Delete")),
        "0|default|gnp:p|deny|0",
        "0|default|gnp:p|deny|0",
        "0|__PROFILE__|pro:kns.a|allow|0",
    ),
    "Learn is pending, not promoted": (
        policies(policy("sgnp:p", DENY, staged_action="Learn")),
        "0|__PROFILE__|pro:kns.a|allow|0",
        "0|default|sgnp:p|deny|0",
        "0|__PROFILE__|pro:kns.a|allow|0",
    ),
    "a tie is broken by the kind that a staged policy becomes": (
        policies(policy("np:a/p", ALLOW), policy("snp:a/p", DENY), policy("sknp:a/p", PASS)),
        "0|default|np:a/p|allow|0",
        "0|default|np:a/p|allow|0",
        "0|default|sknp:a/p|pass|0",
    ),
    "the end of a tier is the last policy's, but the first's when pending": (
        policies(policy("gnp:p"), policy("gnp:q"), policy("sgnp:r")),
        "0|default|gnp:q|deny|-1",
        "0|default|gnp:p|deny|-1",
        "0|default|sgnp:r|deny|-1",
    ),
    "Log decides nothing": (
        policies(policy("gnp:p", LOG, ALLOW)),
        "0|default|gnp:p|allow|1",
        "0|default|gnp:p|allow|1",
        "0|default|gnp:p|allow|1",
    ),
    "what is not for workloads is no policy of theirs, and its promotion takes the twin away": (
        policies(policy("gnp:p", DENY), policy("sgnp:p", DENY, workloads=False)),
        "0|default|gnp:p|deny|0",
        "0|default|gnp:p|deny|0",
        "0|__PROFILE__|pro:kns.a|allow|0",
    ),
}


@pytest.mark.parametrize(("these", "enforced", "pending", "promoted"), SCOPES.values(), ids=SCOPES)
def test_a_scope_has_its_own_policies(these, enforced, pending, promoted):
    first_hits = [trace(these, scope)[0] for scope in ("enforced", "pending", "promoted")]
    assert first_hits == [enforced, pending, promoted]


def test_pass_goes_on_to_the_next_tier_and_then_to_the_profile():
    these = policies(policy("gnp:p", PASS, tier="first"), policy("gnp:q", PASS))
    assert trace(these, "enforced") == (
        "0|first|gnp:p|pass|0",
        "1|default|gnp:q|pass|0",
        "2|__PROFILE__|pro:kns.a|allow|0",
    )


def test_one_staged_policy_is_promoted_without_the_others():
    these = policies(policy("sgnp:p", ALLOW), policy("sgnp:q", DENY))
    assert trace(these, PolicyKey("sgnp", "", "q")) == ("0|default|sgnp:q|deny|0",)


@pytest.mark.parametrize(
    ("scope", "hit"),
    [
        ("enforced", "0|__PROFILE__|pro:__NO_MATCH__|deny|0"),
        ("pending", "0|__PROFILE__|pro:__PROFILE__|deny|-1"),
        ("promoted", "0|__PROFILE__|pro:__NO_MATCH__|deny|0"),
    ],
)
def test_without_a_profile_what_no_policy_decides_is_denied(scope, hit):
    flow = replace(FLOW, destination=replace(DESTINATION, identity=BARE))
    assert trace(policies(), scope, flow) == (hit,)


def test_a_pods_own_host_is_not_policed_on_its_way_in():
    decision = decide(
        policies(policy("gnp:p", DENY)), (), (), replace(FLOW, from_own_host=True), "ingress", "pending"
    )
    assert (decision.action, decision.trace, decision.policy, decision.rule) == ("allow", (), "host", None)


def test_nothing_is_judged_where_there_is_no_endpoint():
    with pytest.raises(ValueError, match="this side is none"):
        decide(policies(), (), (), replace(FLOW, destination=OUTSIDE), "ingress", "enforced")


def from_(**match):
    return Rule("allow", source=EntityMatch(**match))


def to(action="allow", **match):
    return Rule(action, destination=EntityMatch(**match))


THREAT = parse("kind == 'threat'")
FROM_OUTSIDE, TO_OUTSIDE = replace(FLOW, source=OUTSIDE), replace(FLOW, destination=OUTSIDE)
TO_BAD = replace(FLOW, destination=Party(None, ip_address("192.0.2.1"), ("www.bad.org",)))
TO_STRANGER = replace(FLOW, destination=Party(None, ip_address("192.0.2.1")))
TO_6 = replace(FLOW, source=OUTSIDE_6, destination=OUTSIDE_6)
NET_4, NET_6 = (ip_network("0.0.0.0/0"),), (ip_network("::/0"),)
MATCHING = [
    ("a selector needs an object that holds the address", to(selector=ALL), TO_OUTSIDE, True),
    ("an address that nothing holds is not selected", to(selector=ALL), TO_STRANGER, False),
    ("a set holds the addresses of its nets", from_(selector=THREAT), FROM_OUTSIDE, True),
    ("and no others", from_(selector=THREAT), FLOW, False),
    ("not_selector is any address that is not held", from_(not_selector=THREAT), FLOW, True),
    ("and none that is", from_(not_selector=THREAT), FROM_OUTSIDE, False),
    ("a set's domains count where egress is allowed", to(selector=THREAT), TO_BAD, True),
    ("and nowhere else", to("deny", selector=THREAT), TO_BAD, False),
    ("nor in a negation", to(not_selector=THREAT), TO_BAD, True),
    ("a rule's domains", to(domains=("*.bad.org",)), TO_BAD, True),
    ("others", to(domains=("bad.org",)), TO_BAD, False),
    ("nets of the other family are no match", to(nets=NET_4), TO_6, False),
    ("nor are notNets of the other family", to(not_nets=(ip_network("10.0.0.0/8"),)), TO_6, False),
    ("of mixed lists each family has its own", to(nets=NET_4 + NET_6, not_nets=NET_4), FLOW, False),
    ("a named port is the endpoint's", to(named_ports=("http",)), FLOW, True),
    ("of the same protocol", to(named_ports=("http",)), replace(FLOW, protocol=17), False),
    ("beside numbers", to(ports=((81, 90),), named_ports=("http",)), FLOW, True),
    ("not that of a set at its address", to(selector=THREAT, named_ports=("http",)), TO_OUTSIDE, False),
    ("a named port that must not be", to(not_named_ports=("http",)), FLOW, False),
    ("a number that must not be", to(not_ports=((80, 80),)), FLOW, False),
    ("a service at the destination has ports", to(service=("a", "svc")), FLOW, True),
    ("and only those", to(service=("a", "svc")), replace(FLOW, dest_port=81), False),
    ("at the source it is addresses", from_(service=("a", "svc")), replace(FLOW, source=DESTINATION), True),
    ("of that service", from_(service=("b", "svc")), replace(FLOW, source=DESTINATION), False),
    ("ICMP type and code", Rule("allow", protocol=1, icmp=(8, 0)), PING, True),
    ("another code", Rule("allow", protocol=1, icmp=(8, 1)), PING, False),
    ("any code", Rule("allow", protocol=1, not_icmp=(8, None)), PING, False),
    ("TCP has none", Rule("allow", icmp=(0, None)), FLOW, False),
    ("a protocol that must not be", Rule("allow", not_protocol=6), FLOW, False),
    ("the family", Rule("allow", ip_version=6), FLOW, False),
    ("protocol 0 matches nothing", ALLOW, replace(FLOW, protocol=0), False),
]


@pytest.mark.parametrize(
    ("rule", "flow", "matches"), [case[1:] for case in MATCHING], ids=[c[0] for c in MATCHING]
)
def test_a_rule_matches_where_all_of_it_holds(rule, flow, matches):
    assert rule_matches(rule, flow, "egress", [THREATS], [SVC]) is matches


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("google.com", "www.google.com", False),
        ("google.com", "Google.com", True),
        ("*.google.com", "www.ipv6.google.com", True),
        ("*.google.com", "google.com", False),
        ("www.*.com", "www.com", False),
        ("update.*.example.com", "update.secure.suite.example.com", True),
    ],
)
def test_an_asterisk_is_one_or_more_whole_labels(pattern, name, matches):
    assert domain_matches(pattern, name) is matches


def side(identity, address=None, **others):
    return Side((Candidate(identity, (ip_network(address),) if address else ()),), **others)


KNOWN = OpenFlow(side(WEB, "10.0.0.1"), side(WEB, "10.0.0.2"), 6, 40000, 80, "ingress")


def test_a_known_flow_is_judged_as_it_is_decided():
    these = policies(policy("gnp:p", ALLOW), policy("sgnp:p", DENY))
    outcome = judge(these, (), (), KNOWN, 1)
    decisions = [
        decide(these, (), (), FLOW, "ingress", scope) for scope in ("enforced", "pending", "promoted")
    ]
    assert [outcome.enforced, outcome.pending, outcome.promoted] == decisions
    assert (outcome.impact, outcome.staged_deny, outcome.unknown) == ("newly_denied", ("sgnp:p",), ())


def test_a_flow_that_promotion_lets_out_must_be_let_in_too():
    to_80 = to(ports=((80, 80),))
    shut = policy("gnp:in", DENY)
    out = replace(policy("gnp:out", DENY), types=frozenset({"egress"}), ingress=(), egress=(DENY,))
    staged = replace(out, key=PolicyKey("sgnp", "", "out"), egress=(to_80,))
    flow = replace(KNOWN, direction="egress")
    open_, closed = (judge(policies(*these, out, staged), (), (), flow, 1) for these in ([], [shut]))
    assert (open_.promoted, open_.impact, open_.staged_allow) == (
        closed.promoted,
        "newly_allowed",
        ("sgnp:out",),
    )
    assert (closed.impact, closed.staged_allow) == ("none", ())
    to_outside = replace(flow, destination=side(None, "198.51.100.1"))
    assert judge(policies(shut, out, staged), (), (), to_outside, 1).impact == "newly_allowed"


SOME_POD = replace(WEB, labels=(), open_prefixes=("",), ports=(), open_ports=True)
DB = replace(WEB, labels=(("app", "db"),))
PRIVATE = Side((Candidate(None, (ip_network("10.0.0.0/8"),), outside_sets=True),), ("source_ip",))
TEN = LabelledSet((("kind", "threat"),), (ip_network("10.128.0.0/9"),))
UNKNOWNS = [
    ("a port that a rule asks for", to(ports=((80, 80),)), replace(KNOWN, dest_port=None), "unknown"),
    ("a port that none asks for", to(nets=NET_4), replace(KNOWN, dest_port=None), "allow"),
    ("all ports asked for", to(ports=((0, 79), (80, 65535))), replace(KNOWN, dest_port=None), "allow"),
    ("a protocol", Rule("allow", protocol=6), replace(KNOWN, protocol=None), "unknown"),
    ("an ICMP code", Rule("allow", icmp=(8, 7)), replace(KNOWN, protocol=1, dest_port=None), "unknown"),
    (
        "an address in a net or not",
        from_(nets=(ip_network("10.0.0.0/8"),)),
        replace(KNOWN, source=side(None)),
        "unknown",
    ),
    ("an address surely in a net", from_(nets=NET_4), replace(KNOWN, source=PRIVATE), "allow"),
    ("an address in no set", from_(selector=THREAT), replace(KNOWN, source=PRIVATE), "deny"),
    ("any set", from_(selector=THREAT), replace(KNOWN, source=side(None)), "unknown"),
    ("one of two pods", from_(selector=parse("app == 'web'")), "two", "unknown"),
    ("one of two pods of a kind", from_(selector=parse("has(app)")), "two", "allow"),
    (
        "labels",
        from_(selector=parse("app == 'web'")),
        replace(KNOWN, source=side(SOME_POD, "10.0.0.1")),
        "unknown",
    ),
    (
        "labels that cannot be otherwise",
        from_(selector=parse("app != 'web' || app starts with 'w'")),
        replace(KNOWN, source=side(SOME_POD, "10.0.0.1")),
        "allow",
    ),
    (
        "a named port",
        to(named_ports=("http",)),
        replace(KNOWN, destination=side(SOME_POD, "10.0.0.2")),
        "unknown",
    ),
    ("its own host", DENY, replace(KNOWN, own_host=None), "unknown"),
    ("its own host, which is let in anyway", ALLOW, replace(KNOWN, own_host=None), "allow"),
]


def enforced_action(outcome: Outcome) -> str:
    assert outcome.enforced
    return outcome.enforced.action


TWO_PODS = Side((*side(WEB, "10.0.0.1").candidates, *side(DB, "10.0.0.3").candidates), ("pod",))


@pytest.mark.parametrize(
    ("rule", "flow", "action"), [case[1:] for case in UNKNOWNS], ids=[case[0] for case in UNKNOWNS]
)
def test_unknown_is_what_two_completions_disagree_on(rule, flow, action):
    flow = replace(KNOWN, source=TWO_PODS) if flow == "two" else flow
    outcome = judge(policies(policy("gnp:p", rule)), [TEN], (), flow, MANY)
    assert enforced_action(outcome) == action


@pytest.mark.parametrize(
    ("domain", "names", "action"),
    [
        ("*.example.com", None, "unknown"),
        ("*.example.com", (), "deny"),
        ("*.example.com", ("a.example.com",), "allow"),
    ],
)
def test_domains_that_were_not_logged_may_be_any(domain, names, action):
    one = replace(policy("gnp:p"), types=frozenset({"egress"}), egress=(to(domains=(domain,)),))
    flow = replace(KNOWN, direction="egress", destination=side(None, "198.51.100.1", domains=names))
    assert enforced_action(judge(policies(one), (), (), flow, MANY)) == action


def test_what_is_unknown_comes_with_what_is_missing():
    flow = replace(KNOWN, source=TWO_PODS, dest_port=None)
    outcome = judge(policies(policy("gnp:p", from_(selector=parse("app == 'web'")))), (), (), flow, MANY)
    assert outcome.unknown == ("pod", "dest_port")


def test_where_only_the_way_differs_the_action_is_known():
    these = policies(policy("gnp:p", from_(selector=parse("app == 'web'")), ALLOW))
    outcome = judge(these, (), (), replace(KNOWN, source=TWO_PODS), MANY)
    assert outcome.enforced == Decision("allow")


def test_a_flow_that_nothing_completes_is_unknown():
    flow = replace(KNOWN, source=side(None, "2001:db8::1"))
    outcome = judge(policies(), (), (), flow, MANY)
    assert (enforced_action(outcome), outcome.impact) == ("unknown", "unknown")


def test_too_many_completions_are_not_tried():
    these = policies(policy("gnp:p", to(ports=((80, 80),))))
    with pytest.raises(TooMany):
        judge(these, (), (), replace(KNOWN, dest_port=None), 1)

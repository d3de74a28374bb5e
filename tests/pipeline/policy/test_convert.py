"""What Calico policies mean once their selectors are rewritten and their defaults filled in."""

from ipaddress import ip_network
from typing import Any

import orjson
import pytest

from pipeline.policy.load import load_texts
from pipeline.policy.policies import ANY_ENTITY, EntityMatch, NetworkSet, Policy, Rule, Tier

NAMESPACE = 'projectcalico.org/namespace == "shop"'


def _plain(kind: str, spec: dict[str, Any], namespace: str | None = None, **metadata: Any) -> Any:
    where = {"namespace": namespace} if namespace else {}
    manifest = {
        "apiVersion": "projectcalico.org/v3",
        "kind": kind,
        "metadata": {"name": "it", **where, **metadata},
        "spec": spec,
    }
    loaded = load_texts([("case", orjson.dumps(manifest))])
    loaded.require()
    return loaded.policies[0].plain


def _policy(spec: dict[str, Any], namespace: str | None = None) -> Policy:
    plain = _plain("NetworkPolicy" if namespace else "GlobalNetworkPolicy", spec, namespace)
    assert isinstance(plain, Policy)
    return plain


@pytest.mark.parametrize(
    ("spec", "canonical"),
    [
        ({}, NAMESPACE),
        ({"selector": "a == 'x' || b == 'y'"}, f'((a == "x" || b == "y") && {NAMESPACE})'),
        ({"serviceAccountSelector": "role == 'r'"}, f'({NAMESPACE} && pcsa.role == "r")'),
        ({"serviceAccountSelector": "all()"}, f"({NAMESPACE} && all())"),
        ({"selector": "all()"}, f"(all() && {NAMESPACE})"),
    ],
)
def test_a_namespaced_policy_selects_in_its_namespace_only(spec, canonical) -> None:
    assert _policy(spec, "shop").selector.canonical == canonical


@pytest.mark.parametrize(
    ("spec", "canonical"),
    [
        ({}, "all()"),
        ({"selector": "has(a)"}, "has(a)"),
        ({"namespaceSelector": "all()"}, "has(projectcalico.org/namespace)"),
        ({"namespaceSelector": "env != 'x'"}, 'pcns.env != "x"'),
        (
            {"selector": "all()", "namespaceSelector": "env != 'x'"},
            '(has(projectcalico.org/namespace) && pcns.env != "x")',
        ),
        ({"serviceAccountSelector": "all()"}, "has(projectcalico.org/serviceaccount)"),
        (
            {"selector": "has(a)", "namespaceSelector": "has(b)", "serviceAccountSelector": "has(c)"},
            "((has(a) && has(pcns.b)) && has(pcsa.c))",
        ),
    ],
)
def test_a_global_policy_selects_by_labels_namespaces_and_service_accounts(spec, canonical) -> None:
    assert _policy(spec).selector.canonical == canonical


ALLOW = [{"action": "Allow"}]


@pytest.mark.parametrize(
    ("spec", "types"),
    [
        ({}, {"ingress"}),
        ({"ingress": ALLOW}, {"ingress"}),
        ({"egress": ALLOW}, {"egress"}),
        ({"ingress": ALLOW, "egress": ALLOW}, {"ingress", "egress"}),
        ({"types": ["Egress"], "ingress": ALLOW}, {"egress"}),
    ],
)
def test_types_that_are_not_given_follow_from_the_rules(spec, types) -> None:
    assert _policy(spec).types == types


@pytest.mark.parametrize(
    ("spec", "workloads"),
    [
        ({}, True),
        ({"applyOnForward": True}, True),
        ({"applyOnForward": True, "doNotTrack": True}, False),
        ({"applyOnForward": True, "preDNAT": True}, False),
    ],
)
def test_untracked_and_pre_dnat_policies_decide_no_workloads(spec, workloads) -> None:
    assert _policy(spec).workloads is workloads


def _source(source: dict[str, Any], namespace: str | None) -> EntityMatch:
    (rule,) = _policy({"ingress": [{"action": "Allow", "source": source}]}, namespace).ingress
    return rule.source


@pytest.mark.parametrize(
    ("source", "namespace", "positive", "negative"),
    [
        ({}, "shop", None, None),
        ({"nets": ["10.0.0.0/8"]}, "shop", None, None),
        ({"selector": "has(a)"}, "shop", f"({NAMESPACE} && has(a))", None),
        ({"selector": "has(a)"}, None, "has(a)", None),
        ({"notSelector": "has(a)"}, None, None, "has(a)"),
        ({"notSelector": "has(a)"}, "shop", f"({NAMESPACE} && !has(a))", None),
        ({"selector": "has(a)", "notSelector": "has(b)"}, None, "(has(a) && !has(b))", None),
        ({"namespaceSelector": "all()"}, "shop", "has(projectcalico.org/namespace)", None),
        ({"namespaceSelector": "global()"}, "shop", "!has(projectcalico.org/namespace)", None),
        (
            {"namespaceSelector": "env == 'x'", "selector": "has(a)"},
            "shop",
            '(pcns.env == "x" && has(a))',
            None,
        ),
        (
            {"serviceAccounts": {"names": ["z", "y"], "selector": "has(r)"}, "selector": "has(a)"},
            None,
            '((has(pcsa.r) && projectcalico.org/serviceaccount in {"y", "z"}) && has(a))',
            None,
        ),
        ({"serviceAccounts": {}}, "shop", None, None),
    ],
)
def test_the_selectors_of_one_side_become_one(source, namespace, positive, negative) -> None:
    match = _source(source, namespace)
    assert (match.selector and match.selector.canonical) == positive
    assert (match.not_selector and match.not_selector.canonical) == negative


def test_a_rule_keeps_everything_it_asks() -> None:
    written = {
        "action": "Deny",
        "protocol": "TCP",
        "notProtocol": 17,
        "source": {"nets": ["10.1.1.3/24", "10.2.0.1"], "notNets": ["10.1.1.0/25"], "notPorts": ["a", 5]},
        "destination": {"ports": [80, "443", "8000:8080", "http"], "domains": ["*.example.org"]},
        "metadata": {"annotations": {"why": "x"}},
    }
    (rule,) = _policy({"egress": [written]}).egress
    assert rule == Rule(
        action="deny",
        protocol=6,
        not_protocol=17,
        source=EntityMatch(
            nets=(ip_network("10.1.1.0/24"), ip_network("10.2.0.1/32")),
            not_nets=(ip_network("10.1.1.0/25"),),
            not_ports=((5, 5),),
            not_named_ports=("a",),
        ),
        destination=EntityMatch(
            ports=((80, 80), (443, 443), (8000, 8080)), named_ports=("http",), domains=("*.example.org",)
        ),
    )


@pytest.mark.parametrize(
    ("written", "protocol", "version"),
    [
        ({"protocol": "ICMP"}, 1, 4),
        ({"protocol": "ICMPv6"}, 58, 6),
        ({"protocol": 1}, 1, None),
        ({"protocol": 58}, 58, None),
        ({"protocol": "1"}, 1, None),
        ({"protocol": 58, "ipVersion": 6}, 58, 6),
        ({"protocol": "UDPLite"}, 136, None),
        ({"notProtocol": "ICMP"}, None, None),
    ],
)
def test_icmp_implies_its_ip_version_only_by_name(written, protocol, version) -> None:
    (rule,) = _policy({"ingress": [{"action": "Allow", **written}]}).ingress
    assert (rule.protocol, rule.ip_version) == (protocol, version)


@pytest.mark.parametrize(
    ("written", "icmp"), [({}, None), ({"type": 8}, (8, None)), ({"type": 0, "code": 0}, (0, 0))]
)
def test_icmp_types_and_codes_are_kept_apart_from_none(written, icmp) -> None:
    rules = [{"action": "Allow", "protocol": "ICMP", "icmp": written, "notICMP": written}]
    (rule,) = _policy({"ingress": rules}).ingress
    assert (rule.icmp, rule.not_icmp) == (icmp, icmp)


def test_a_rule_that_asks_nothing_of_a_side_shares_the_one_that_asks_nothing() -> None:
    (rule,) = _policy({"ingress": [{"action": "Log", "source": {}}]}, "shop").ingress
    assert rule.action == "log"
    assert rule.source is ANY_ENTITY
    assert rule.destination is ANY_ENTITY


def test_a_service_keeps_its_namespace_as_written() -> None:
    services = {"name": "s", "namespace": "other"}
    (rule,) = _policy({"egress": [{"action": "Allow", "destination": {"services": services}}]}, "shop").egress
    assert rule.destination.service == ("other", "s")


@pytest.mark.parametrize(
    ("written", "action"), [(None, "Set"), ("", "Set"), ("Learn", "Learn"), ("Delete", "Delete")]
)
def test_the_staged_action_is_set_where_nothing_is_said(written, action) -> None:
    spec = {} if written is None else {"stagedAction": written}
    for kind, namespace in (("StagedGlobalNetworkPolicy", None), ("StagedNetworkPolicy", "shop")):
        policy = _plain(kind, spec, namespace)
        assert policy.staged_action == action
        assert policy.key.staged


def test_names_are_as_written_and_the_tier_is_what_the_spec_says() -> None:
    policy = _plain("GlobalNetworkPolicy", {"tier": "application", "order": -1.5}, name="platform.x")
    assert (str(policy.key), policy.tier, policy.order) == ("gnp:platform.x", "application", -1.5)
    assert _policy({}).tier == "default"


def test_network_sets_carry_their_namespace_as_a_label() -> None:
    spec = {"nets": ["10.0.0.1", "10.1.0.0/16"], "allowedEgressDomains": ["example.org"]}
    nets = (ip_network("10.0.0.1/32"), ip_network("10.1.0.0/16"))
    own = (("a", "b"),)
    assert _plain("GlobalNetworkSet", spec, labels={"a": "b"}) == NetworkSet(
        "", "it", own, nets, ("example.org",)
    )
    named = _plain("NetworkSet", spec, "shop", labels={"a": "b"})
    assert named.labels == (("a", "b"), ("projectcalico.org/namespace", "shop"))


@pytest.mark.parametrize(("written", "action"), [({}, "deny"), ({"defaultAction": "Pass"}, "pass")])
def test_a_tier_denies_at_its_end_unless_it_passes(written, action) -> None:
    assert _plain("Tier", {"order": 5, **written}) == Tier("it", 5.0, action)

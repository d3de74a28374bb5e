"""Of 788 published manifests, a check says something of each broken one, and nothing false of the others."""

import tarfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_address
from itertools import islice
from pathlib import Path

import yaml

from pipeline.check.correct import corrected
from pipeline.check.findings import Found
from pipeline.check.run import check
from pipeline.check.unreachable import Exceptions, Search
from pipeline.identity import Candidate, Identity, Side
from pipeline.match.complete import completions
from pipeline.match.reference import OpenFlow, decide
from pipeline.policy.load import load_texts
from pipeline.policy.policies import Direction, Policies
from pipeline.policy.revision import to_policies
from tests.conformance.test_realdata import INVALID, NOT_NOTED, PASSED_OVER

DATA = Path(__file__).parents[2] / "conformance" / "data"
# Its rbac.authorization.k8s.io/v1beta1 went with Kubernetes 1.22.
NOT_SERVED = {"policies/projectcalico__calico/0004-ClusterRole-calico-node.yaml"}
BROKEN = (set(INVALID) | set(NOT_NOTED) | NOT_SERVED) - PASSED_OVER
FLOWS = 700
SAID_OF_SOUND = {  # by how many manifests; each stands alone, so that its tier's object does not
    "enterprise-field": 6,
    "namespace-selector-matches-hosts": 2,
    "net-listed-twice": 4,
    "net-with-host-bits": 5,
    "net-without-mask": 11,
    "pass-leads-nowhere": 7,
    "taken-otherwise": 61,
    "tier-without-object": 79,
    "unreachable-rule": 25,
}
PODS: dict[str, str] = {"projectcalico.org/orchestrator": "k8s"}


@cache
def manifests() -> dict[str, bytes]:
    with tarfile.open(DATA / "policies.tar.gz") as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        files = {member.name: archive.extractfile(member) for member in members}
        return {name: file.read() for name, file in files.items() if file}


@cache
def found() -> dict[str, list[Found]]:
    return {name: check(load_texts([(name, text)])) for name, text in manifests().items()}


def of_rule(rule: str) -> Iterator[tuple[str, Found]]:
    return ((name, each) for name, several in found().items() for each in several if each.lint.id == rule)


def line_of(each: Found) -> str:
    return manifests()[each.problem.file].decode().splitlines()[each.problem.line - 1]


def policies_of(name: str) -> Policies:
    return to_policies(load_texts([(name, manifests()[name])]))


def test_every_broken_one_is_refused_with_line_and_reason_and_no_other_is():
    refused = {name for name, _ in of_rule("refused")}
    assert refused == BROKEN
    assert (len(manifests()), len(BROKEN)) == (788, 151)
    for name in BROKEN:
        assert all(each.problem.reason and line_of(each) is not None for each in found()[name])


def test_what_is_said_of_the_sound_ones_is_counted():
    files = Counter(rule for several in found().values() for rule in {each.lint.id for each in several})
    del files["refused"]
    assert files == SAID_OF_SOUND
    assert sum(not several for several in found().values()) == 446


def test_networks_that_are_said_to_have_no_mask_or_to_be_there_twice_are_so():
    for _, each in of_rule("net-without-mask"):
        assert ip_address(each.problem.reason.split(" ")[0])
    for name, each in of_rule("net-listed-twice"):
        net = each.problem.reason.split(" ")[0]
        assert manifests()[name].decode().count(net) > 1


def test_tiers_that_are_said_to_have_no_object_have_none():
    for name, each in of_rule("tier-without-object"):
        (document,) = [one for one in yaml.safe_load_all(manifests()[name]) if one]
        assert document["kind"] != "Tier"
        assert document["spec"]["tier"] in line_of(each)


def test_namespaces_that_are_said_to_be_missing_are():
    for name, each in of_rule("taken-otherwise"):
        if each.problem.field == "metadata.namespace":
            documents = [one for one in yaml.safe_load_all(manifests()[name]) if one]
            assert any("namespace" not in one["metadata"] for one in documents)
        else:
            assert "is retired" in each.problem.reason


def test_selectors_that_are_said_to_match_hosts_do():
    for name, _ in of_rule("namespace-selector-matches-hosts"):
        assert any(policy.selector.matches({}) for policy in policies_of(name).policies)


def test_where_a_pass_is_said_to_lead_nowhere_no_later_tier_has_a_policy():
    for name, each in of_rule("pass-leads-nowhere"):
        (policy,) = policies_of(name).policies
        direction: Direction = "ingress" if "ingress" in each.problem.field else "egress"
        assert any(rule.action == "pass" for rule in policy.rules(direction))


def test_what_is_called_unreachable_is_hit_by_no_flow_that_the_reference_can_think_of():
    judged = 0
    for name in {name for rule in ("unreachable-rule", "unreachable-policy") for name, _ in of_rule(rule)}:
        policies = policies_of(name)
        for claim in Search(policies, Exceptions()).all():
            key = str(claim.policy.key)
            for trace in traces(policies, claim.direction, claim.policy.key.namespace):
                judged += 1
                hits = [hit.split("|") for hit in trace]
                rules = [int(rule) for _, _, policy, _, rule in hits if policy == key]
                assert claim.rule not in rules if claim.rule is not None else not rules, (name, claim)
    assert judged > 10_000


def traces(policies: Policies, direction: Direction, namespace: str) -> Iterator[tuple[str, ...]]:
    """How some flows are judged between a pod and any other or any address, of which nothing is known."""
    own = PODS | ({"projectcalico.org/namespace": namespace} if namespace else {})
    local = Side((_any_pod(own),), ("labels",))
    peer = Side((Candidate(None), _any_pod(PODS)), ("address",))
    source, destination = (local, peer) if direction == "egress" else (peer, local)
    flow = OpenFlow(source, destination, None, None, None, direction, own_host=False)
    for one in islice(completions(policies, (), (), flow, 200_000), FLOWS):
        if 1 <= one.protocol <= 255:  # no rule matches any other
            yield decide(policies, (), (), one, direction, "enforced").trace


def _any_pod(labels: dict[str, str]) -> Candidate:
    known = tuple(sorted(labels.items()))
    return Candidate(Identity("wep", known, (), ("kns.any",), open_prefixes=("",), open_ports=True))


def test_corrections_leave_every_other_line_as_it_is_and_make_nothing_worse():
    changed = 0
    for name, text in manifests().items():
        fixed, done = corrected(text)
        changed += bool(done)
        lines, after = text.splitlines(), fixed.splitlines()
        touched = {each.line for each in done}
        assert len(lines) == len(after)
        assert {
            n for n, (one, other) in enumerate(zip(lines, after, strict=True), 1) if one != other
        } == touched
        assert len(load_texts([(name, fixed)]).problems) <= len(load_texts([(name, text)]).problems)
        assert corrected(fixed) == (fixed, [])
    assert changed == 11

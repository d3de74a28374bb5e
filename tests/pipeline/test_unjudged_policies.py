"""Of which staged policies verdicts do not tell all: those left out, and those that touch hosts."""

import pytest

from pipeline.facts import Facts
from pipeline.policy.facts_resources import HostEndpoint
from pipeline.policy.load import load_paths
from pipeline.policy.revision import to_policies
from pipeline.unjudged_policies import unjudged_policies

HOSTS = [HostEndpoint(f"n{number}-eth0", f"n{number}", {"role": "node"}) for number in range(5)]
N0 = "it touches host endpoints, too (n0-eth0)"
ALL = "it touches host endpoints, too (n0-eth0, n1-eth0, n2-eth0 and 2 more)"


def gnp(spec, kind="StagedGlobalNetworkPolicy", name="a"):
    return f"apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


ENFORCED = gnp("selector: role == 'node'", "GlobalNetworkPolicy")
# manifests, hosts ▸ why
CASES = [
    ([gnp("selector: all()")], [], None),
    ([gnp("selector: all()")], HOSTS[:1], N0),
    ([gnp("selector: all()")], HOSTS, ALL),
    ([gnp("selector: app == 'web'")], HOSTS, None),
    ([gnp("selector: role == 'node'")], HOSTS[:1], N0),
    ([gnp("selector: all(), stagedAction: Learn")], HOSTS[:1], "its stagedAction is Learn"),
    ([gnp("stagedAction: Ignore")], [], "its stagedAction is Ignore"),
    ([gnp("stagedAction: Delete")], HOSTS, None),
    ([gnp("stagedAction: Delete"), ENFORCED], HOSTS[:1], N0),
    ([gnp("selector: app == 'web'"), ENFORCED], HOSTS[:1], N0),
    (
        [gnp("selector: has(app), doNotTrack: true, applyOnForward: true")],
        [],
        "doNotTrack and preDNAT are not",
    ),
]


@pytest.mark.parametrize(("manifests", "hosts", "why"), CASES)
def test_why(manifests, hosts, why, tmp_path):
    (tmp_path / "policies.yaml").write_text("---\n".join(manifests))
    policies = to_policies(load_paths([tmp_path]))
    found = unjudged_policies(policies, Facts.from_resources(hosts))
    assert found == ({"sgnp:a": why} if why else {})


def test_a_host_endpoint_that_is_gone_is_not_touched(tmp_path):
    (tmp_path / "policies.yaml").write_text(gnp("selector: all()"))
    facts = Facts.from_resources(HOSTS[:1])
    facts.remove("HostEndpoint//n0-eth0", 100)
    assert unjudged_policies(to_policies(load_paths([tmp_path])), facts) == {}


def test_a_staged_policy_of_a_namespace_touches_no_host(tmp_path):
    (tmp_path / "policies.yaml").write_text(
        gnp("selector: all()", "StagedNetworkPolicy", "a, namespace: shop")
    )
    assert unjudged_policies(to_policies(load_paths([tmp_path])), Facts.from_resources(HOSTS)) == {}

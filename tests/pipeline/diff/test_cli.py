"""`flowtier diff` tells which permissions are gained and lost, by workload, net and ports."""

import json

import pytest
from click.testing import CliRunner

from pipeline.cli.diff import diff
from pipeline.cli.sources import SourceError
from tests.pipeline.explain.test_cli import MANIFESTS

WITHOUT_A_SET = """
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: out}
spec:
  order: 1
  selector: app == 'web'
  types: [Egress]
  egress:
    - {action: Deny, protocol: TCP, destination: {nets: [203.0.113.0/24], ports: ['8000:8080', 443]}}
    - {action: Allow}
"""


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.mkdir(exist_ok=True)
        (path / "all.yaml").write_text(text)
        return str(path)

    return write


def run(*arguments):
    return CliRunner().invoke(diff, arguments, obj=None)


def changed(*arguments):
    result = run(*arguments, "--json")
    assert result.exit_code == 1, result.output
    found = json.loads(result.stdout)
    return {
        (p["change"], tuple(p["sources"]), tuple(p["destinations"]), tuple(map(json.dumps, p["traffic"])))
        for p in found["permissions"]
    }


def traffic(protocol, *ports):
    return json.dumps({"protocol": protocol, "ports": list(ports), "source_ports": []})


def test_the_same_is_no_difference(write):
    result = run(write("a", MANIFESTS), write("b", MANIFESTS))
    assert result.exit_code == 0
    assert "permit the same (2 workloads are known)" in result.stdout.replace("\n", " ")


def test_ports_that_nets_lose_are_merged(write):
    found = changed(write("a", MANIFESTS), write("b", MANIFESTS + WITHOUT_A_SET))
    assert found == {("lost", ("shop/web",), ("203.0.113.0/24",), (traffic("tcp", "443", "8000-8080"),))}


def test_a_selector_moved_to_other_pods_takes_from_some_and_gives_to_none(write):
    found = changed(write("a", MANIFESTS), write("b", MANIFESTS.replace("app == 'web'", "app == 'api'")))
    assert found == {("lost", ("shop/web",), ("shop/db-0",), (traffic("tcp", "5432"),))}


def test_a_policy_that_is_gone_opens_everything(write):
    head = MANIFESTS[: MANIFESTS.index("---\napiVersion: projectcalico.org/v3")]
    found = changed(write("a", MANIFESTS), write("b", head))
    assert {(change, source) for change, sources, _, _ in found for source in sources} == {
        ("gained", source) for source in ("0.0.0.0/0", "shop/db-0", "shop/web")
    }
    assert ("gained", ("0.0.0.0/0", "shop/db-0"), ("shop/db-0",), (*EVERYTHING_BUT_DNS,)) in found


EVERYTHING_BUT_DNS = (
    *(traffic("icmp"), traffic("tcp"), traffic("udp", "0-52", "54-65535")),
    *(traffic("sctp"), traffic("other")),
)


def test_a_label_of_a_namespace_that_changes_is_a_change_of_meaning(write):
    text = MANIFESTS.replace("source: {selector: app == 'web'}", "source: {namespaceSelector: team == 'a'}")
    found = changed(write("a", text), write("b", text.replace("team: a", "team: b")))
    assert {change for change, *_ in found} == {"lost"}


def test_what_is_staged_permits_nothing(write):
    head = MANIFESTS[: MANIFESTS.rindex("---")]
    assert run(write("a", MANIFESTS), write("b", head)).exit_code == 0


def test_the_table_says_what_is_left_out(write):
    head = MANIFESTS[: MANIFESTS.index("---\napiVersion: projectcalico.org/v3")]
    said = run(write("a", MANIFESTS), write("b", head), "--rows", "1").stdout
    assert "+ gained" in said
    assert "more rows" in said


def test_without_any_workload_nothing_is_claimed(write):
    only = MANIFESTS[MANIFESTS.index("---\napiVersion: projectcalico.org/v3") :]
    error = run(write("a", only), write("b", only)).exception
    assert isinstance(error, SourceError)
    assert "no workload is known" in str(error)


BY_NET = MANIFESTS.replace("source: {selector: app == 'web'}", "source: {nets: [10.0.0.0/8]}")


def test_what_depends_on_an_address_that_nobody_knows_is_not_claimed(write):
    """A pod that has no address yet may be in the net, or not."""
    unknown = BY_NET.replace("status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}]}", "status: {}")
    narrower = unknown.replace("10.0.0.0/8", "10.0.0.0/16")
    open_ = unknown.replace("source: {nets: [10.0.0.0/8]}", "source: {}")
    result = run(write("a", unknown), write("b", narrower), "--json")
    found = json.loads(result.stdout)
    assert found["unsure"] > 0
    assert not [p for p in found["permissions"] if "shop/web" in p["sources"]]
    found = changed(write("a", unknown), write("c", open_))
    assert [change for change, sources, _, _ in found if "shop/web" in sources] == ["unclear"]

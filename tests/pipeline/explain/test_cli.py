"""`flowtier explain` says what decides and what does not match, of typed and of recorded flows."""

import json

import pytest
from click.testing import CliRunner

from pipeline.cli.explain import explain
from pipeline.explain.typed import FlowError
from pipeline.facts import Facts

MANIFESTS = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-7d4-x
  namespace: shop
  generateName: web-7d4-
  labels: {app: web, pod-template-hash: 7d4}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
status: {podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: shop, labels: {app: db}}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}
status: {podIP: 10.0.0.2, podIPs: [{ip: 10.0.0.2}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  selector: app == 'db'
  types: [Ingress]
  ingress:
    - action: Allow
      protocol: UDP
      destination: {ports: [53]}
    - action: Allow
      protocol: TCP
      source: {selector: app == 'web'}
      destination: {ports: [pg]}
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  selector: app == 'db'
  types: [Ingress]
"""


@pytest.fixture
def policies(tmp_path):
    path = tmp_path / "policies"
    path.mkdir()
    (path / "all.yaml").write_text(MANIFESTS)
    return str(path)


class Nothing:
    """Nothing is in force; a document is there."""

    def document(self, document_id):
        assert document_id == "one"
        return json.dumps(RECORD).encode()

    def facts(self):
        return Facts()


RECORD = {
    "start_time": 1_800_000_000,
    "end_time": 1_800_000_300,
    "source_type": "wep",
    "source_namespace": "shop",
    "source_name": "-",
    "source_name_aggr": "web-7d4-*",
    "dest_type": "wep",
    "dest_namespace": "shop",
    "dest_name": "-",
    "dest_name_aggr": "db-0",
    "dest_port": 5432,
    "proto": "tcp",
    "reporter": "dst",
    "action": "allow",
    "@timestamp": 1_800_000_300_000,
    "verdict": {"impact": "none"},
}


def run(*arguments, given=None):
    return CliRunner().invoke(explain, arguments, obj=Nothing(), input=given)


def told(*arguments, given=None):
    result = run(*arguments, "--json", given=given)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["revisions"]


@pytest.mark.parametrize(
    ("source", "dest"),
    [("shop/web", "shop/db-0"), ("web", "db-0"), ("10.0.0.1", "10.0.0.2"), ("shop/web-7d4-*", "db-0")],
)
def test_both_ends_are_explained_however_they_are_named(policies, source, dest):
    (revision,) = told(policies, "--from", source, "--to", dest, "--port", "5432")
    egress, ingress = revision["ends"]
    assert egress["verdicts"]["enforced"]["policy"] == "pro:kns.shop"
    decided = ingress["verdicts"]
    assert (decided["enforced"]["action"], decided["enforced"]["rule"]) == ("allow", 1)
    assert (decided["promoted"]["action"], decided["promoted"]["policy"]) == ("deny", "snp:shop/db")
    assert ingress["impact"] == "newly_denied"


def test_a_rule_that_does_not_match_says_which_parts_and_what_the_flow_has(policies):
    (revision,) = told(policies, "--from", "web", "--to", "db-0", "--port", "5432/tcp", "--reporter", "dst")
    (ingress,) = revision["ends"]
    rules = {p["policy"]: p["rules"] for t in ingress["explained"]["tiers"] for p in t["policies"]}[
        "np:shop/db"
    ]
    missed = [(p["part"], p["asks"], p["has"]) for p in rules[0]["parts"] if p["holds"] == "no"]
    assert missed == [("protocol", "udp", ["tcp"]), ("destination ports", "53", ["5432 (pg)"])]
    assert rules[1]["matches"] == "yes"
    assert rules[1]["decides"] == ["enforced", "pending"]


def test_what_is_missing_is_named_with_the_ways_in_which_it_matters(policies):
    (revision,) = told(policies, "--from", "web", "--to", "db-0", "--reporter", "dst")
    (ingress,) = revision["ends"]
    assert ingress["verdicts"]["enforced"]["action"] == "unknown"
    assert ingress["missing"] == ["dest_port"]
    ways = {way["actions"]["enforced"]: way["example"]["port"] for way in ingress["explained"]["ways"]}
    assert ways["allow"] == "5432"
    assert set(ways) == {"allow", "deny"}


def test_a_recorded_flow_is_explained_at_its_reporter(policies, tmp_path):
    path = tmp_path / "flows"
    path.write_text("\n" + json.dumps(RECORD) + "\n")
    from_file = told(policies, "--flow", f"{path}:2")
    assert [end["direction"] for end in from_file[0]["ends"]] == ["ingress"]
    assert from_file == told(policies, "--flow", "-", given=json.dumps(RECORD))
    document = told(policies, "--id", "one", "--facts", policies)
    assert document[0]["ends"][0]["verdicts"] == from_file[0]["ends"][0]["verdicts"]


def test_two_revisions_are_told_one_after_the_other(policies, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "all.yaml").write_text(MANIFESTS.replace("app == 'web'", "app == 'api'"))
    said = run(policies, str(other), "--from", "web", "--to", "db-0", "--port", "5432").stdout
    assert said.index("enforced  allow   tier default, np:shop/db, rule 1") < said.index(
        "enforced  deny    tier default, np:shop/db, no rule matched"
    )
    assert (
        '✗ source selector: asks (projectcalico.org/namespace == "shop" && app == "api"); has app=web' in said
    )
    assert said.splitlines()[-2:] == ["ingress enforced: allow ▸ deny", "ingress pending: allow ▸ deny"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "shop/wbe", "--to", "db-0"), "nearest: shop/web"),
        (("--from", "web", "--to", "db-0", "--proto", "tpc"), "no protocol"),
        (("--from", "web", "--to", "2001:db8::1"), "no address family in common"),
        (("--flow", "no-such-file:3"), "no-such-file: No such file"),
        (("--from", "example.com", "--to", "db-0"), "not from a domain"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(policies, arguments, said):
    error = run(policies, *arguments).exception
    assert isinstance(error, FlowError)
    assert said in str(error)


@pytest.mark.parametrize(
    "arguments", [(), ("--from", "web"), ("--from", "web", "--to", "db-0", "--id", "x"), ("--port", "70000")]
)
def test_a_flow_is_named_in_one_way(policies, arguments):
    result = run(policies, *arguments)
    assert result.exit_code == 2
    assert "Error:" in result.stderr


def test_what_is_no_flow_is_told(policies):
    error = run(policies, "--flow", "-", given="{").exception
    assert isinstance(error, FlowError)
    assert "no flow that can be read" in str(error)

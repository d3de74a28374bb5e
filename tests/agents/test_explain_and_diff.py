"""What is in force explained and compared with git: from the real Kafka and the real Elasticsearch."""

import time
from collections.abc import Callable

import orjson
import pytest
from click.testing import CliRunner, Result
from elasticsearch import AsyncElasticsearch

from agents.in_force import TopicsInForce
from agents.reach import ReachError
from pipeline.cli.diff import diff
from pipeline.cli.explain import explain
from pipeline.decode import Limits
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.index import put_templates, write
from pipeline.judge import Judge
from pipeline.policy.load import load_texts
from pipeline.policy.revision import to_policies
from pipeline.process import process
from tests.agents.installation import ALLOW_ALL, Installation, flow, lines

PODS = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
status: {podIP: 10.0.0.1}
"""
DENY = """
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: port}
spec:
  order: 0
  types: [Ingress]
  ingress:
    - {action: Deny, protocol: TCP, destination: {ports: [9999]}}
    - {action: Allow}
"""


@pytest.fixture
def run(installation: Installation, tmp_path, monkeypatch) -> Callable[..., Result]:
    """A command as it is run in the installation, and the directory `head` beside it."""
    for name, value in installation.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "head").mkdir()
    (tmp_path / "head" / "policies.yaml").write_text(f"{ALLOW_ALL}---{DENY}")
    (tmp_path / "pods.yaml").write_text(PODS)
    return lambda command, *arguments: CliRunner().invoke(command, arguments, obj=TopicsInForce())


def test_drift_is_the_difference_between_what_is_in_force_and_git(installation, run) -> None:
    installation.publish(ALLOW_ALL)
    done = run(diff, "cluster", "head", "--facts", "pods.yaml", "--json")
    assert done.exit_code == 1, (done.output, done.exception)
    found = orjson.loads(done.stdout)
    (lost,) = [p for p in found["permissions"] if "shop/web" in p["destinations"]]
    assert (lost["change"], lost["traffic"]) == (
        "lost",
        [{"protocol": "tcp", "ports": ["9999"], "source_ports": []}],
    )
    assert "0.0.0.0/0" in lost["sources"]
    installation.publish(f"{ALLOW_ALL}---{DENY}")
    assert run(diff, "cluster", "head", "--facts", "pods.yaml").exit_code == 0


async def test_a_document_is_explained_by_its_id(installation, run, search: AsyncElasticsearch) -> None:
    judge = Judge(to_policies(load_texts([("all", ALLOW_ALL.encode())])), Facts(), installation.name, 0, 64)
    now = int(time.time()) // 300 * 300
    await put_templates(search)
    one = flow(1, dest_port=9999, reporter="dst") | {"start_time": now - 300, "end_time": now}
    documents = process([Message(lines([one]), "t", 0, 0, 0)], judge, None, Limits()).documents
    assert not (await write(search, documents)).rejects
    await search.indices.refresh(index=f"flowtier_flows.{installation.name}.*")
    (document,) = documents
    done = run(explain, "head", "--id", document.id, "--facts", "pods.yaml", "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    found = orjson.loads(done.stdout)
    (end,) = found["revisions"][0]["ends"]
    assert found["flow"]["dest_port"] == 9999
    assert (end["direction"], end["verdicts"]["enforced"]["policy"]) == ("ingress", "gnp:port")
    gone = run(explain, "head", "--id", "no-such-document", "--facts", "pods.yaml").exception
    assert isinstance(gone, ReachError)
    assert "no flow of this cluster with the _id no-such-document" in str(gone)

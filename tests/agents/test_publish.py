"""Publishing on the real Kafka: whole revisions, one owner, facts with lifetimes."""

import json

import pytest
from confluent_kafka import Producer

from agents.publish import PublishError
from pipeline import revisions
from pipeline.policy.problems import ManifestError
from pipeline.revisions import Shelf
from tests.agents.installation import ALLOW_ALL, STAGED_DENY, Installation

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, uid: u1, labels: {app: web}}
spec: {nodeName: n1, containers: []}
status: {podIP: 10.0.0.1}
"""
NAMESPACE = """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
"""


def shelf(installation: Installation) -> Shelf:
    found = Shelf()
    for record in installation.records(installation.topics.policies.name):
        found.put(record.key().decode(), record.value())
    return found


def test_a_publish_writes_what_changed_and_removes_what_is_gone(installation) -> None:
    first = installation.publish(ALLOW_ALL, STAGED_DENY)
    assert (len(first.changes.new), first.changes.removed, first.revision.resources) == (2, (), 2)
    second = installation.publish(ALLOW_ALL)
    assert (second.changes.new, len(second.changes.removed), second.revision.resources) == ((), 1, 1)
    newest = shelf(installation).newest
    assert newest
    assert revisions.decode(newest[0]) == second.revision
    revisions.check_whole(second.revision, newest[1])


def test_the_same_content_has_the_same_revision(installation) -> None:
    first = installation.publish(ALLOW_ALL, STAGED_DENY).revision
    assert installation.publish(STAGED_DENY, ALLOW_ALL).revision.revision == first.revision


def test_another_source_is_refused_unless_it_takes_over(installation) -> None:
    installation.publish(ALLOW_ALL, source="git")
    with pytest.raises(PublishError, match=r"published from 'git', not from 'hand'.*--takeover"):
        installation.publish(STAGED_DENY, source="hand")
    assert installation.publish(STAGED_DENY, source="hand", takeover=True).changes.new == (
        "StagedGlobalNetworkPolicy//none",
    )
    with pytest.raises(PublishError, match="published from 'hand'"):
        installation.publish(ALLOW_ALL, source="git")


def test_a_wrong_manifest_publishes_nothing(installation) -> None:
    before = installation.publish(ALLOW_ALL).revision
    with pytest.raises(ManifestError, match="ordr"):
        installation.publish(ALLOW_ALL, STAGED_DENY.replace("order", "ordr"))
    newest = shelf(installation).newest
    assert newest
    assert revisions.decode(newest[0]) == before


def test_half_a_publish_is_never_seen_and_the_next_one_is_whole(installation) -> None:
    installation.publish(ALLOW_ALL)
    killed = Producer(
        {"bootstrap.servers": installation.kafka, "transactional.id": f"{installation.name}.publish"}
    )
    killed.init_transactions(20)
    killed.begin_transaction()
    killed.produce(installation.topics.policies.name, b"{}", "projectcalico.org/Tier//half")
    killed.flush(20)
    second = installation.publish(ALLOW_ALL, STAGED_DENY).revision
    newest = shelf(installation).newest
    assert newest
    revisions.check_whole(second, newest[1])


def facts(installation: Installation) -> dict[str, dict[str, object]]:
    return {
        record.key().decode(): json.loads(record.value())
        for record in installation.records(installation.topics.facts.name)
    }


def test_facts_are_published_once_and_end_when_they_are_gone(installation) -> None:
    assert installation.publish(ALLOW_ALL, POD, NAMESPACE, with_facts=True).facts == 2
    assert installation.publish(ALLOW_ALL, POD, NAMESPACE, with_facts=True).facts == 0
    assert installation.publish(ALLOW_ALL, NAMESPACE, with_facts=True).facts == 1
    found = facts(installation)
    assert found["Pod/shop/web-1/u1"]["until"] is not None
    assert found["Namespace//shop"]["until"] is None


def test_facts_of_another_source_are_left_alone(installation) -> None:
    installation.publish(ALLOW_ALL, POD, source="api", with_facts=True)
    installation.publish(ALLOW_ALL, NAMESPACE, source="git", with_facts=True, takeover=True)
    assert facts(installation)["Pod/shop/web-1/u1"]["until"] is None


def test_facts_stay_unpublished_unless_asked_for(installation) -> None:
    installation.publish(ALLOW_ALL, POD)
    assert facts(installation) == {}


def test_the_command_says_what_was_published_and_what_is_wrong(installation, tmp_path) -> None:
    directory = tmp_path / "given"
    directory.mkdir()
    (directory / "all.yaml").write_text(ALLOW_ALL)
    done = installation.run("publish", str(directory))
    assert done.returncode == 0, done.stderr
    assert "resources" in done.stderr
    (directory / "all.yaml").write_text(ALLOW_ALL.replace("Allow", "Alow"))
    done = installation.run("publish", str(directory))
    assert done.returncode == 2
    assert "all.yaml:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_kafka_that_is_away_is_one_sentence(installation, tmp_path) -> None:
    installation.kafka = "127.0.0.1:1"
    (tmp_path / "all.yaml").write_text(ALLOW_ALL)
    done = installation.run("publish", str(tmp_path))
    assert done.returncode == 2
    assert "Kafka at 127.0.0.1:1 does not answer" in done.stderr
    assert "Traceback" not in done.stderr

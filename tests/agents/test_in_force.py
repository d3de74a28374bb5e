"""What commands are told of a cluster, on the real Kafka."""

import pytest

from agents.in_force import TopicsInForce
from pipeline.cli.sources import SourceError, read_source
from pipeline.revisions import KEY
from tests.agents.installation import ALLOW_ALL, STAGED_DENY, Installation
from tests.agents.test_publish import NAMESPACE, POD


@pytest.fixture
def in_force(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> TopicsInForce:
    for name, value in installation.environment.items():
        monkeypatch.setenv(name, value)
    return TopicsInForce()


def test_cluster_is_the_revision_in_force(installation, in_force) -> None:
    published = installation.publish(ALLOW_ALL, STAGED_DENY)
    source = read_source("cluster", in_force)
    assert source.policies.revision == published.revision.revision
    assert [each.key for each in source.loaded.policies] == [
        "GlobalNetworkPolicy//all",
        "StagedGlobalNetworkPolicy//none",
    ]


def test_facts_come_with_what_has_ended(installation, in_force) -> None:
    installation.publish(ALLOW_ALL, NAMESPACE, POD, with_facts=True)
    installation.publish(ALLOW_ALL, NAMESPACE, with_facts=True)
    (pod,) = in_force.facts().pods()
    assert (pod.fact.name, pod.until < float("inf")) == ("web-1", True)
    assert [each.fact.name for each in in_force.facts().namespaces.alive("shop")] == ["shop"]


def test_without_a_revision_it_says_what_to_do(in_force) -> None:
    with pytest.raises(SourceError, match="no revision is in force; publish it first: flowtier publish DIR"):
        in_force.policies()


def test_a_torn_revision_is_refused(installation, in_force, producer) -> None:
    published = installation.publish(ALLOW_ALL, STAGED_DENY)
    topic = installation.topics.policies.name
    newest = [each for each in installation.records(topic) if each.key() == KEY.encode()][-1]
    producer.produce(topic, b"", "StagedGlobalNetworkPolicy//none")
    producer.produce(topic, newest.value(), KEY)
    assert producer.flush(10) == 0
    with pytest.raises(SourceError, match=f"cluster: .*{published.revision.revision}.*publish again"):
        in_force.policies()

"""`flowtier publish --from-kubernetes` on a real API and a real Kafka, through all that goes wrong there."""

import json
import time
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.agents.installation import Installation
from tests.kubernetes.client import Client
from tests.kubernetes.objects import calico, namespace, network_policy, pod
from tests.kubernetes.publisher import Publisher
from tests.waiting import until

KINDS = {
    "GlobalNetworkPolicy": None,
    "NetworkPolicy": "kinds",
    "StagedGlobalNetworkPolicy": None,
    "StagedNetworkPolicy": "kinds",
    "GlobalNetworkSet": None,
    "NetworkSet": "kinds",
    "Tier": None,
}


@pytest.fixture(scope="module")
def following(cluster, kafka, tmp_path_factory) -> Iterator[Publisher]:
    """One publisher for the tests of this module together."""
    name = f"t{uuid.uuid4().hex[:12]}"
    installed = Installation(kafka, "http://127.0.0.1:1", name, tmp_path_factory.mktemp("following"))
    with Publisher(installed, cluster.kubeconfig) as publisher:
        yield publisher
        assert publisher.stop() == 0


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def wait_for(publisher: Publisher, client: Client, key: str) -> None:
    """Until a policy that is written is published."""
    kind, where, name = key.split("/")
    client.put(calico(kind, name, 1, where or None))
    until(lambda: key in publisher.newest())


def test_every_kind_is_published_whole(following, client) -> None:
    client.put(namespace("kinds"))
    for kind, where in KINDS.items():
        client.put(calico(kind, "kept", 5, where))
    client.put(network_policy("kept", 5, "kinds"))
    keys = {f"{kind}/{where or ''}/kept" for kind, where in KINDS.items()}
    keys.add("KubernetesNetworkPolicy/kinds/kept")
    until(lambda: following.newest().keys() == keys)
    revision, _ = following.revisions()[-1]
    assert revision.source.startswith("kubernetes:")
    client.delete(calico("Tier", "kept", 5))
    until(lambda: following.newest().keys() == keys - {"Tier//kept"})


def test_a_kind_that_is_not_served_is_passed_over_with_a_word(following) -> None:
    (said,) = following.said("not served here: passed over")
    assert said["kind"] == "policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy"


def test_pods_are_facts_from_their_creation_to_their_end_and_no_revision(following, client) -> None:
    client.put(namespace("life", team="a"))
    until(lambda: not following.newest())  # what the test before left is gone
    before = following.revisions()
    made = client.put(pod("web", "life", app="web"))
    key, created = f"Pod/life/web/{made['metadata']['uid']}", seconds(made["metadata"]["creationTimestamp"])
    until(lambda: following.facts().get(key))
    client.put(pod("web", "life", app="web"), {"podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}]})
    until(lambda: following.facts()[key]["fact"]["ips"] == ["10.1.0.1"])
    told = following.facts()[key]
    assert (told["since"], told["until"]) == (created, None)
    gone = time.time()
    client.delete(pod("web", "life"))
    until(lambda: following.facts()[key]["until"] is not None)
    assert gone - 1 <= following.facts()[key]["until"] <= time.time()
    assert following.facts()["Namespace//life"]["fact"]["labels"]["team"] == "a"
    assert following.revisions() == before


def test_another_version_of_a_fact_begins_when_it_is_seen(following, client) -> None:
    client.put(namespace("labelled"))
    made = client.put(pod("web", "labelled", version="1"))
    key = f"Pod/labelled/web/{made['metadata']['uid']}"
    until(lambda: following.facts().get(key))
    changed = time.time()
    client.put(pod("web", "labelled", version="2") | {"spec": made["spec"]})
    until(lambda: following.facts()[key]["fact"]["labels"] == {"version": "2"})
    assert changed - 1 <= following.facts()[key]["since"] <= time.time()


def test_an_object_that_does_not_load_keeps_the_revision_before_in_force(following, client) -> None:
    wait_for(following, client, "GlobalNetworkPolicy//sound")
    before = following.revisions()
    broken = calico("GlobalNetworkPolicy", "broken", 2)
    broken["spec"]["selector"] = "app === 'x'"
    client.put(broken)
    (said, *_) = until(lambda: following.said("not published, the revision before stays"))
    assert "projectcalico.org/v3 GlobalNetworkPolicy broken" in said["reason"]
    assert "spec.selector" in said["reason"]
    assert following.revisions() == before
    client.put(calico("GlobalNetworkPolicy", "broken", 3))
    until(lambda: "GlobalNetworkPolicy//broken" in following.newest())


def test_an_api_that_is_killed_and_comes_back_is_followed_on(following, cluster, client) -> None:
    wait_for(following, client, "GlobalNetworkPolicy//before")
    cluster.servers["api"].kill()
    client.close()
    until(lambda: following.said("a watch is lost: tried again"))
    cluster.servers["api"].start()
    wait_for(following, client, "GlobalNetworkPolicy//after")
    made = client.put(pod("after", "default"))
    until(lambda: f"Pod/default/after/{made['metadata']['uid']}" in following.facts())


def test_what_happened_before_what_is_kept_is_listed_anew(following, cluster, client) -> None:
    made = client.put(pod("lost", "default"))
    key = f"Pod/default/lost/{made['metadata']['uid']}"
    until(lambda: key in following.facts())
    wait_for(following, client, "GlobalNetworkPolicy//lost")
    following.pause()
    client.delete(pod("lost", "default"))
    client.delete(calico("GlobalNetworkPolicy", "lost", 1))
    cluster.servers["api"].kill()
    client.close()
    compact(cluster.servers["etcd"].address)
    cluster.servers["api"].start()
    following.go_on()
    until(lambda: following.facts()[key]["until"] is not None)
    until(lambda: "GlobalNetworkPolicy//lost" not in following.newest())
    assert following.said("behind what Kubernetes keeps")


def compact(etcd: str) -> None:
    """Forgets all versions but the newest."""
    newest = ask(etcd, "range", {"key": "AA=="})["header"]["revision"]
    ask(etcd, "compaction", {"revision": newest, "physical": True})


def ask(etcd: str, what: str, body: dict[str, object]) -> dict[str, dict[str, str]]:
    request = urllib.request.Request(f"{etcd}/v3/kv/{what}", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)

"""Revisions under churn: each one that is published was, in whole, what the API held at some time."""

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from agents.follow_kubernetes_policies import KubernetesPolicies
from agents.kubernetes_access import Access
from agents.kubernetes_api import KubernetesApi
from pipeline.policy.resources import resource_key
from pipeline.revisions import Resources
from tests.kubernetes.client import Client
from tests.kubernetes.objects import Manifest, calico, namespace, network_policy, number_of, pod
from tests.waiting import until

OBJECTS, WRITES = 120, 700
KINDS = (
    "GlobalNetworkPolicy",
    "NetworkPolicy",
    "StagedGlobalNetworkPolicy",
    "StagedNetworkPolicy",
    "GlobalNetworkSet",
    "NetworkSet",
    "Tier",
)
NAMESPACED = ("NetworkPolicy", "StagedNetworkPolicy", "NetworkSet")
FIRST, SECOND = "GlobalNetworkSet//first", "GlobalNetworkPolicy//second"

type Held = frozenset[tuple[str, int]]


class Churn:
    """One writer, that writes one object after the other, and remembers every state that there was.

    Between others it writes `first`, and then `second` with the same number: whoever sees the second one's
    new number and the first one's old one has seen what never was.
    """

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._random = random.Random(7)
        self._held: dict[str, int] = {}
        self._number = 0
        self.states: dict[Held, list[int]] = {frozenset(): [0]}  # when it was: a state may come back
        self._time = 0
        self.counts = {"put": 0, "deleted": 0}

    def write(self, times: int) -> None:
        for _ in range(times):
            self._number += 1
            if self._number % 3 == 0:
                self._put(calico("GlobalNetworkSet", "first", self._number))
                self._put(calico("GlobalNetworkPolicy", "second", self._number))
            else:
                self._other(self._random.randrange(OBJECTS))
            if self._number % 10 == 0:
                self._client.put(pod(f"pod-{self._number}", self._namespace, number=str(self._number)))

    def _other(self, which: int) -> None:
        manifest = self._manifest(which)
        if resource_key(manifest) in self._held and self._random.random() < 0.4:
            self._client.delete(manifest)
            del self._held[resource_key(manifest)]
            self.counts["deleted"] += 1
            self._remember()
        else:
            self._put(manifest)

    def _manifest(self, which: int) -> Manifest:
        if which % 8 == 7:
            return network_policy(f"o{which}", self._number, self._namespace)
        kind = KINDS[which % 8]
        return calico(kind, f"o{which}", self._number, self._namespace if kind in NAMESPACED else None)

    def _put(self, manifest: Manifest) -> None:
        self._client.put(manifest)
        self._held[resource_key(manifest)] = number_of(manifest)
        self.counts["put"] += 1
        self._remember()

    def _remember(self) -> None:
        self._time += 1
        self.states.setdefault(frozenset(self._held.items()), []).append(self._time)


@pytest.fixture
def churn(client, unique) -> Churn:
    client.put(namespace(unique))
    return Churn(client, unique)


def held(manifests: Iterator[tuple[str, Any]]) -> Held:
    return frozenset((key, number_of(manifest)) for key, manifest in manifests)


def check(seen: list[Held], churn: Churn) -> None:
    """Each was, and none after a later one."""
    assert [state for state in seen if state not in churn.states] == []
    now = 0
    for state in seen:
        later = [time for time in churn.states[state] if time >= now]
        assert later, "an earlier state is seen after a later one"
        now = later[0]
    for numbers in map(dict, seen):
        assert SECOND not in numbers or numbers[FIRST] - numbers[SECOND] in {0, 3}


async def test_whatever_is_read_while_others_write_was_at_one_time(cluster, churn) -> None:
    seen: list[Held] = []
    writing = threading.Thread(target=churn.write, args=(WRITES,))
    async with KubernetesApi(Access(cluster.kubeconfig)) as api:
        policies = KubernetesPolicies(api)
        writing.start()
        while await asyncio.to_thread(writing.is_alive):
            loaded = (await policies.read()).loaded
            assert not loaded.problems
            seen.append(held((each.key, each.document) for each in loaded.policies))
    assert churn.counts["deleted"] > 50
    assert len(set(seen)) > 20
    check(seen, churn)


def test_each_revision_that_is_published_under_churn_was_at_one_time(publisher, churn) -> None:
    published, at_least = len(publisher.revisions()), 6
    while len(publisher.revisions()) < published + at_least:
        churn.write(60)
    last = max(churn.states, key=lambda state: churn.states[state][-1])
    until(lambda: held(decoded(publisher.newest())) == last)
    assert sum(churn.counts.values()) > 300
    check([held(decoded(resources)) for _, resources in publisher.revisions()], churn)


def decoded(resources: Resources) -> Iterator[tuple[str, Any]]:
    return ((key, json.loads(value)) for key, value in resources.items())

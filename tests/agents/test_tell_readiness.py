"""Every staged policy of the revision in force has a document that says how ready it is."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from elasticsearch import Elasticsearch, NotFoundError

from agents.elastic import Elastic
from agents.health import Health
from agents.tell_readiness import TellReadiness
from pipeline import metrics
from pipeline.facts import Facts
from pipeline.policy.facts_resources import HostEndpoint
from pipeline.policy.load import load_paths
from pipeline.policy.policies import Policies
from pipeline.policy.revision import to_policies
from pipeline.settings import Settings
from tests.agents.installation import ALLOW_ALL, STAGED_DENY, flow, lines
from tests.agents.rolled_up import DAY, HOUR, edge, put_edges, put_policies
from tests.waiting import until as wait_until

NOW = int(time.time() * 1000) // HOUR * HOUR
EIGHT_DAYS = [NOW - hour * HOUR for hour in range(8 * 24)]


def manifest(name: str, kind: str = "StagedNetworkPolicy", selector: str = "all()") -> str:
    metadata = f"{{name: {name}}}" if "Global" in kind else f"{{name: {name}, namespace: shop}}"
    spec = f"{{selector: {selector}, types: [Ingress]}}"
    return f"apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {metadata}\nspec: {spec}\n---\n"


class InForce:
    """What a worker has in force, without a worker."""

    def __init__(self, folder: Any, manifests: str, hosts: list[HostEndpoint]) -> None:
        (folder / "policies.yaml").write_text(manifests)
        self.facts = Facts.from_resources(hosts)
        self.judge = SimpleNamespace(policies=to_policies(load_paths([folder])))
        self.in_force = asyncio.Event()
        self.in_force.set()

    async def ask[T](self, question: Callable[[Policies, Facts], T]) -> T:
        return question(self.judge.policies, self.facts)


class Telling:
    """Services that tell, and what they told."""

    def __init__(self, search, cluster: str, folder, settings: Settings) -> None:
        self.search, self.cluster, self.folder, self.settings = search, cluster, folder, settings
        self.health = Health()
        self.revisions = 0

    async def publish(self, *manifests: str, hosts: list[HostEndpoint] = []) -> None:  # noqa: B006
        self.policies = InForce(self.folder, "".join(manifests), hosts)
        self.revisions += 1

    async def index(self, since: int = NOW - 20 * DAY, most: int | None = None) -> None:
        """What is in force, as it is indexed, or the first of it."""
        documents = [
            {
                "policy": str(each.key),
                "staged": each.key.staged,
                "tier": each.tier,
                "namespace": each.key.namespace or None,
                "staged_action": each.staged_action,
                "types": ["Ingress"],
                "selector": str(each.selector),
                "rules": [str(each.ingress)],
                "applies_to": ["shop/cart"],
            }
            for each in self.policies.judge.policies.policies
        ]
        revision = self.policies.judge.policies.revision
        await put_policies(self.search, self.cluster, revision, since + self.revisions, documents[:most])

    @asynccontextmanager
    async def service(self) -> AsyncIterator[None]:
        elastic = Elastic(self.settings, self.health)
        service = TellReadiness(self.settings, self.health, self.policies, elastic)  # type: ignore[arg-type]
        for each in (elastic, service):
            await each.start()
        try:
            yield
        finally:
            for each in (service, elastic):
                await each.stop()

    async def told(self) -> dict[str, dict[str, Any]]:
        """By policy."""
        index = f"flowtier_readiness.{self.cluster}"
        try:
            await self.search.indices.refresh(index=index)
            found = await self.search.search(index=index)
        except NotFoundError:
            return {}
        return {hit["_source"]["policy"]: hit["_source"] for hit in found.body["hits"]["hits"]}

    async def searches(self) -> int:
        """How often anybody searched the policies."""
        index = f"flowtier_policies.{self.cluster}"
        found = await self.search.indices.stats(index=index, metric="search")
        return found.body["_all"]["primaries"]["search"]["query_total"]

    async def words(self) -> dict[str, str]:
        return {policy: document["word"] for policy, document in (await self.told()).items()}


async def until[T](question: Callable[[], Awaitable[T]], answer: Callable[[T], bool]) -> T:
    async with asyncio.timeout(30):
        while True:
            found = await question()
            if answer(found):
                return found
            await asyncio.sleep(0.05)


@pytest.fixture
def telling(search, elasticsearch, unique, tmp_path, monkeypatch) -> Telling:
    monkeypatch.setenv("FLOWTIER_CLUSTER", unique)
    monkeypatch.setenv("FLOWTIER_ELASTICSEARCH_URLS", elasticsearch)
    monkeypatch.setenv("FLOWTIER_READINESS_INTERVAL_SECONDS", "0.2")
    return Telling(search, unique, tmp_path, Settings())


async def test_a_policy_that_cuts_nothing_of_a_whole_week_is_safe_and_one_that_cuts_is_not(telling):
    await telling.publish(manifest("cart"), manifest("none"))
    await telling.index()
    cut: dict[str, Any] = {"verdict": {"staged_deny": ["snp:shop/none"]}}
    edges = [edge(at, **(cut if at == EIGHT_DAYS[100] else {})) for at in EIGHT_DAYS]
    await put_edges(telling.search, telling.cluster, edges)
    async with telling.service():
        told = await until(telling.told, lambda told: len(told) == 2)
    assert told["snp:shop/cart"] == {
        "@timestamp": told["snp:shop/cart"]["@timestamp"],
        "cluster": telling.cluster,
        "revision": telling.policies.judge.policies.revision,
        "policy": "snp:shop/cart",
        "tier": "default",
        "namespace": "shop",
        "word": "safe to enforce",
        "reason": "Nothing would be cut of 192 flows of 1 workload, seen on"
        f" {told['snp:shop/cart']['days']} days and in 168 hours of the week; unknown: 0.",
        "days": len({at // DAY for at in EIGHT_DAYS}),
        "hours_of_week": 168,
        "edges_cut": 0,
        "connections_cut": 0,
        "bytes_cut": 0,
        "edges_opened": 0,
        "connections_opened": 0,
        "flows_judged": 192,
        "flows_unknown": 0,
        "flows_disagreeing": 0,
        "unknown_share": 0.0,
        "unknown_reasons": [],
        "workloads": 1,
        "workloads_without_flows": 0,
        "silent_workloads": [],
        "first": EIGHT_DAYS[-1],
        "last": NOW + 1,
        "reporter": ["dst"],
        "verdict": {"namespace": ["shop"], "impact": ["none"]},
    }
    assert told["snp:shop/none"]["word"] == "would cut traffic"
    assert told["snp:shop/none"]["reason"] == "It would cut 1 edge: 1 connection, 110 bytes."
    assert telling.health.problems == {}


async def test_what_was_seen_before_a_policy_was_as_it_is_does_not_count(telling):
    await telling.publish(manifest("cart", selector="has(x)"))
    await telling.index()
    await telling.publish(manifest("cart"))
    await telling.index(since=NOW - DAY)
    await put_edges(telling.search, telling.cluster, [edge(at) for at in EIGHT_DAYS])
    async with telling.service():
        told = await until(telling.told, bool)
    # From the first whole hour after it came into force.
    assert told["snp:shop/cart"]["flows_judged"] == 24
    assert told["snp:shop/cart"]["word"] == "not enough seen"


async def test_one_that_touches_hosts_is_unknown(telling):
    everything = manifest("everything", "StagedGlobalNetworkPolicy")
    await telling.publish(everything, hosts=[HostEndpoint("n1-eth0", "n1", {"role": "node"})])
    await telling.index()
    await put_edges(telling.search, telling.cluster, [edge(at) for at in EIGHT_DAYS])
    async with telling.service():
        told = await until(telling.told, bool)
    assert told["sgnp:everything"]["word"] == "unknown"
    assert "host endpoints, too (n1-eth0)" in told["sgnp:everything"]["reason"]
    assert told["sgnp:everything"]["namespace"] == ""


async def test_the_document_of_a_policy_that_is_gone_is_deleted(telling):
    await telling.publish(manifest("cart"), manifest("gone"))
    await telling.index()
    async with telling.service():
        await until(telling.told, lambda told: len(told) == 2)
    await telling.publish(manifest("cart"))
    await telling.index()
    async with telling.service():
        await until(telling.told, lambda told: [*told] == ["snp:shop/cart"])
    await telling.publish(manifest("front", "NetworkPolicy"))
    await telling.index()
    async with telling.service():
        await until(telling.told, lambda told: told == {})
    assert telling.health.problems == {}


async def test_two_that_tell_at_once_do_not_disturb_each_other_and_the_later_word_stays(telling):
    await telling.publish(manifest("cart"), manifest("none"))
    await telling.index()
    async with telling.service(), telling.service():
        first = await until(telling.told, lambda told: len(told) == 2)
        at = first["snp:shop/cart"]["@timestamp"]
        await until(telling.told, lambda told: told["snp:shop/cart"]["@timestamp"] > at + 1_000)
        later = {"policy": "snp:shop/cart", "word": "from tomorrow"}
        index, tomorrow = f"flowtier_readiness.{telling.cluster}", NOW + DAY
        await telling.search.index(
            index=index, id="snp:shop/cart", document=later, version=tomorrow, version_type="external"
        )
        at = (await telling.told())["snp:shop/none"]["@timestamp"]
        await until(telling.told, lambda told: told["snp:shop/none"]["@timestamp"] > at + 500)
        assert (await telling.words())["snp:shop/cart"] == "from tomorrow"
    assert telling.health.problems == {}


async def test_a_server_that_refuses_is_told_of_until_it_takes_documents(telling):
    index = f"flowtier_readiness.{telling.cluster}"
    await telling.publish(manifest("cart"))
    await telling.index()
    await telling.search.indices.create(index=index, settings={"index.blocks.write": True})

    async def problem() -> str:
        return telling.health.problems.get("readiness", "")

    async with telling.service():
        assert "cluster_block_exception" in await until(problem, bool)
        await telling.search.indices.put_settings(index=index, settings={"index.blocks.write": False})
        await until(telling.told, bool)
        await until(problem, lambda text: not text)


async def test_nothing_is_told_of_a_revision_that_is_not_indexed_in_whole(telling):
    await telling.publish(manifest("cart"), manifest("none"))
    await telling.index(most=1)
    async with telling.service():
        await until(telling.searches, lambda count: count > 4)  # it has looked
        assert await telling.told() == {}
        await telling.index()
        await until(telling.told, lambda told: len(told) == 2)


async def test_metrics_count_policies_by_word_and_edges_ever_denied(telling):
    await telling.publish(manifest("cart"), manifest("none"))
    await telling.index()
    denied = [
        edge(at, window="day", edge=name, verdict={"staged_deny": ["snp:shop/none"]})
        for at in (NOW - 90 * DAY, NOW)
        for name in ("a", "b", "c")
    ]
    await put_edges(telling.search, telling.cluster, denied)

    async def denied_edges() -> dict[str, float]:
        [family] = metrics.DENIED_EDGES.collect()
        return {sample.labels["policy"]: sample.value for sample in family.samples}

    async with telling.service():
        await until(denied_edges, lambda found: found == {"snp:shop/cart": 0, "snp:shop/none": 3})
    [family] = metrics.READINESS.collect()
    words = {sample.labels["word"]: sample.value for sample in family.samples}
    assert words == {"would cut traffic": 0, "unknown": 0, "not enough seen": 2, "safe to enforce": 0}


def test_a_worker_tells_of_the_flows_that_it_judges(installation):
    installation.options["FLOWTIER_READINESS_INTERVAL_SECONDS"] = "0.5"
    installation.publish(ALLOW_ALL, STAGED_DENY)
    worker = installation.start_worker()
    installation.produce([lines([flow(number, dest_port=number % 3) for number in range(30)])])

    def told() -> dict[str, Any]:
        index = f"flowtier_readiness.{installation.name}"
        with Elasticsearch(installation.elasticsearch) as client:
            client.indices.refresh(index=index, ignore_unavailable=True)
            found = client.search(index=index, ignore_unavailable=True)
        return {hit["_id"]: hit["_source"] for hit in found.body["hits"]["hits"]}

    wait_until(lambda: told().get("sgnp:none", {}).get("connections_cut") == 30, 90)
    assert told()["sgnp:none"]["word"] == "would cut traffic"
    assert told()["sgnp:none"]["edges_cut"] == 3
    wait_until(lambda: worker.metric("flowtier_denied_edges", policy="sgnp:none") == 3)
    assert worker.metric("flowtier_readiness", word="would cut traffic") == 1
    assert worker.health()["problems"] == {}

"""What workers learn from observations, what they propose from it, and where that ends up."""

import time
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from elasticsearch import Elasticsearch, NotFoundError

from pipeline.recommend.learn import Window
from pipeline.recommend.recommendation import Decision
from tests.agents.installation import Installation, flow, lines
from tests.agents.observing import (
    OFTEN,
    expected,
    is_all_learned,
    learned_state,
    observation,
    observe,
    this_hour,
)
from tests.waiting import until

AROUND_NOW = Window(this_hour() - 24, this_hour() + 24)
# A policy that decides about nothing here: where one does, less is proposed.
ELSEWHERE = """
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: elsewhere}
spec: {order: 1, selector: "has(elsewhere)", types: [Ingress], ingress: [{action: Allow}]}
"""


@pytest.fixture
def learning(installation) -> Installation:
    """Policies in force, and workers that learn and propose often."""
    installation.options |= OFTEN
    installation.publish(ELSEWHERE)
    return installation


def wait_until_learned(installation: Installation, seconds: float = 60) -> None:
    until(lambda: is_all_learned(installation), seconds)


def flows_learned(installation: Installation) -> int:
    return sum(seen.flows for edges, _ in learned_state(installation).values() for seen in edges.values())


def connections_recommended(installation: Installation) -> int:
    """How many the rules of all recommendations rest on: here each flow is one."""
    rules = [rule for each in installation.recommendations().values() for rule in each["rules"]]
    return sum(rule["evidence"]["connections"] for rule in rules if rule["evidence"])


def namespaces(installation: Installation) -> set[str]:
    """Those that something is recommended for."""
    return {each["namespace"] for each in installation.recommendations().values()}


def decide(installation: Installation, name: str, value: bytes | None) -> None:
    producer = Producer({"bootstrap.servers": installation.kafka})
    producer.produce(installation.topics.decisions.name, value, name)
    assert producer.flush(20) == 0


def document(installation: Installation, name: str) -> dict[str, Any] | None:
    """The recommendation of that name in Elasticsearch."""
    with Elasticsearch(installation.elasticsearch, retry_on_status=[503], max_retries=100) as client:
        try:
            return client.get(index=f"flowtier_recommendations.{installation.name}", id=name).body["_source"]
        except NotFoundError:
            return None


def test_what_flows_taught_is_what_their_observations_teach_without_a_worker(learning) -> None:
    learning.start_worker()
    for namespace in ("shop", "bank"):
        learning.produce([lines([flow(number, namespace) for number in range(300)])])
    learning.wait_for_documents(300, "shop")
    learning.wait_for_documents(300, "bank")
    wait_until_learned(learning)
    assert flows_learned(learning) == 600
    until(lambda: namespaces(learning) == {"bank", "shop"})


def test_what_was_aborted_is_not_learned(learning) -> None:
    worker = learning.start_worker()
    until(worker.ready)
    producer = Producer({"bootstrap.servers": learning.kafka, "transactional.id": f"{learning.name}.test"})
    producer.init_transactions(20)
    for number in range(100):
        producer.begin_transaction()
        producer.produce(learning.topics.observations.name, observation("shop", number), "shop")
        producer.flush(20)
        if number % 2:
            producer.abort_transaction(20)
        else:
            producer.commit_transaction(20)
    wait_until_learned(learning)
    assert flows_learned(learning) == 50
    until(lambda: worker.metric("flowtier_recommend_lag") == 0)


def test_a_second_worker_that_comes_and_a_first_one_that_dies_change_no_count(learning) -> None:
    names = [f"n{number}" for number in range(8)]
    first = learning.start_worker()
    for namespace in names:
        observe(learning, namespace, (observation(namespace, n) for n in range(500)))
    until(lambda: first.address and first.metric("flowtier_observations_total") > 0)
    second = learning.start_worker()
    for namespace in names:
        observe(learning, namespace, (observation(namespace, n) for n in range(500, 1_000)))
    until(second.ready)
    until(lambda: _learns_more(learning, second, names), 60)
    first.kill()
    for namespace in names:
        observe(learning, namespace, (observation(namespace, n) for n in range(1_000, 1_500)))
    wait_until_learned(learning, 90)


def _learns_more(installation: Installation, worker, names: list[str]) -> bool:
    """Whether the worker learns from what comes now: it has got partitions."""
    for namespace in names:
        observe(installation, namespace, [observation(namespace, 7)])
    return worker.metric("flowtier_observations_total") > 0


def test_a_worker_that_finds_nothing_beside_itself_knows_all_from_kafka(learning, tmp_path) -> None:
    first = learning.start_worker()
    observe(learning, "shop", (observation("shop", number) for number in range(200)))
    wait_until_learned(learning)
    until(lambda: connections_recommended(learning) == 200)  # not of a batch before the last one
    before = learning.recommendations()
    first.kill()
    learning.options["FLOWTIER_RECOMMEND_FOLDER"] = str(tmp_path / "another")
    second = learning.start_worker()
    until(second.ready)
    observe(learning, "shop", (observation("shop", number) for number in range(200, 220)))
    wait_until_learned(learning)
    until(lambda: connections_recommended(learning) == 220)
    assert {name: each["manifest"] for name, each in learning.recommendations().items()} == {
        name: each["manifest"] for name, each in before.items()
    }


def test_bad_observations_are_counted_and_their_neighbours_learned(learning) -> None:
    worker = learning.start_worker()
    until(worker.ready)
    far = this_hour() + 100
    bad = [
        b"no JSON",
        None,
        b'{"v": 99}',
        b'{"v": 3}',
        observation("shop", 2, far),
        observation("shop", 3, 5),
    ]
    good = [observation("shop", 1), observation("shop", 4, workload_type="net")]
    observe(learning, "shop", [good[0], *bad, *good])
    until(lambda: worker.metric("flowtier_flows_not_learned_total", reason="no_workload") == 1)
    rejected, not_learned = "flowtier_observations_rejected_total", "flowtier_flows_not_learned_total"
    assert worker.metric(rejected, reason="unreadable") == 3
    assert worker.metric(rejected, reason="version") == 1
    assert worker.metric(not_learned, reason="in_the_future") == 1
    assert worker.metric(not_learned, reason="too_old") == 1
    assert flows_learned(learning) == 2
    assert set(learned_state(learning)) == set(expected(learning, AROUND_NOW))
    assert worker.health()["problems"] == {}


def test_what_falls_out_of_the_lookback_is_forgotten_and_its_recommendation_withdrawn(learning) -> None:
    worker = learning.start_worker()
    old = this_hour() - 72
    observe(learning, "gone", (observation("gone", number, old) for number in range(20)))
    observe(learning, "shop", (observation("shop", number) for number in range(20)))
    wait_until_learned(learning)
    until(lambda: namespaces(learning) == {"gone", "shop"})
    assert worker.stop() == 0
    learning.options["FLOWTIER_RECOMMEND_LOOKBACK_DAYS"] = "1"
    worker = learning.start_worker()
    until(lambda: {key.split("/")[0] for key in learned_state(learning)} == {"shop"}, 60)
    until(lambda: namespaces(learning) == {"shop"})
    assert worker.metric("flowtier_places_aged_out_total") == len(
        {key for key in expected(learning) if key.startswith("gone/")}
    )


def test_decisions_are_honoured_after_a_restart_and_can_be_taken_back(learning) -> None:
    worker = learning.start_worker()
    observe(learning, "shop", (observation("shop", number) for number in range(20)))
    until(lambda: len(learning.recommendations()) == 5)
    all_names = set(learning.recommendations())
    name = min(all_names)
    until(lambda: document(learning, name))
    decide(learning, name, b"nonsense")
    ignore = Decision(name, "ignore", "ann", int(time.time() * 1000))
    decide(learning, name, msgspec.json.encode(ignore))
    until(lambda: set(learning.recommendations()) == all_names - {name})
    until(lambda: document(learning, name) is None)
    assert worker.metric("flowtier_decisions_refused_total") == 1
    assert worker.stop() == 0
    worker = learning.start_worker()
    until(lambda: worker.address and worker.metric("flowtier_recommendations") > 0)
    assert set(learning.recommendations()) == all_names - {name}
    decide(learning, name, None)
    until(lambda: set(learning.recommendations()) == all_names)
    until(lambda: document(learning, name))


def test_a_recommendation_stands_in_elasticsearch_as_yaml_with_its_numbers(learning) -> None:
    learning.start_worker()
    observe(learning, "shop", (observation("shop", number) for number in range(100)))
    wait_until_learned(learning)
    recommended = until(learning.recommendations)
    name = min(recommended)
    until(lambda: (document(learning, name) or {}).get("connections") == 20)
    found = document(learning, name)
    assert found is not None
    assert found["manifest"].startswith("apiVersion: projectcalico.org/v3\nkind: StagedNetworkPolicy\n")
    assert (found["cluster"], found["namespace"], found["mode"]) == (learning.name, "shop", "workload")
    assert found["status"]["word"] == "Learning"


def test_flows_are_judged_whatever_troubles_the_recommender_and_health_tells_of_it(learning) -> None:
    obstacle = learning.folder / "learned"
    obstacle.write_text("no folder")
    worker = learning.start_worker()
    learning.produce([lines([flow(1)])])
    learning.wait_for_documents(1)
    until(lambda: "learned" in worker.health()["problems"].get("recommend", ""))
    assert worker.health()["ready"]
    obstacle.unlink()
    wait_until_learned(learning)
    until(lambda: worker.health()["problems"] == {})


def test_without_the_recommender_a_worker_judges_and_learns_nothing(learning) -> None:
    learning.options["FLOWTIER_RECOMMEND_ENABLED"] = "false"
    worker = learning.start_worker()
    until(worker.ready)
    learning.produce([lines([flow(1)])])
    learning.wait_for_documents(1)
    assert learned_state(learning) == {}
    assert not (learning.folder / "learned").exists()

"""What is learned and given out, whoever is away meanwhile."""

import pytest

from tests.agents.installation import Installation
from tests.agents.observing import OFTEN, is_all_learned, observation, observe
from tests.agents.test_recommend_policies import ELSEWHERE, document
from tests.waiting import until


@pytest.fixture
def learning(installation) -> Installation:
    installation.options |= OFTEN
    installation.publish(ELSEWHERE)
    return installation


def test_recommendations_wait_for_an_elasticsearch_that_is_away_and_learning_goes_on(stack, learning) -> None:
    worker, server = learning.start_worker(), stack.servers["elasticsearch"]
    observe(learning, "shop", (observation("shop", number) for number in range(20)))
    first = until(learning.recommendations)
    until(lambda: document(learning, min(first)))
    server.stop()
    observe(learning, "bank", (observation("bank", number) for number in range(20)))
    until(lambda: is_all_learned(learning), 60)
    until(lambda: "Elasticsearch" in worker.health()["problems"].get("recommend", ""), 60)
    name = max(until(lambda: set(learning.recommendations()) - set(first)))
    server.start()
    until(lambda: document(learning, name), 60)
    until(lambda: worker.health()["problems"] == {}, 60)


def test_a_kafka_that_is_away_for_a_while_changes_nothing_that_is_learned(stack, learning) -> None:
    worker, server = learning.start_worker(), stack.servers["kafka"]
    observe(learning, "shop", (observation("shop", number) for number in range(500)))
    until(lambda: is_all_learned(learning), 60)
    server.stop()
    server.start()
    observe(learning, "shop", (observation("shop", number) for number in range(500, 1_000)))
    until(lambda: is_all_learned(learning), 120)
    until(lambda: worker.ready() and worker.health()["problems"] == {}, 60)


def test_a_worker_killed_again_and_again_while_it_learns_learns_what_an_undisturbed_one_does(
    learning, kills
) -> None:
    for kill in range(kills):
        worker = learning.start_worker()
        for namespace in ("a", "b", "c"):
            observe(learning, namespace, (observation(namespace, kill * 1_000 + n) for n in range(1_000)))
        until(lambda: worker.address and worker.metric("flowtier_observations_total") > 0, 60)  # noqa: B023
        worker.kill()
    assert not is_all_learned(learning)
    learning.start_worker()
    until(lambda: is_all_learned(learning), 90)

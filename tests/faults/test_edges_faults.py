"""What is rolled up, whoever dies or is away meanwhile."""

from collections.abc import Iterator

import pytest

from pipeline.flow import Message
from tests.agents.indexed_edges import OFTEN, indexed, is_all_rolled_up, put, rolled_up_messages
from tests.agents.installation import ALLOW_ALL, Installation, flow, lines
from tests.faults.gates import opened
from tests.pipeline.edge_messages import START, edge, message, rule
from tests.waiting import until

MESSAGES = 120


def some(count: int, first: int = 0) -> Iterator[Message]:
    """Messages onto all partitions that count in a few hundred documents, in each again and again."""
    for number in range(first, first + count):
        edges = [
            edge(interval=START - number % 3 * 300_000, port=8000 + (number + each) % 40, flows=number)
            for each in range(10)
        ]
        yield message(0, edges, [rule(flows=number, last=START + number)], partition=number % 4)


@pytest.fixture
def rolling(installation: Installation) -> Installation:
    installation.options |= OFTEN | {"FLOWTIER_EDGES_BATCH_MESSAGES": "7"}
    installation.publish(ALLOW_ALL)
    return installation


def test_a_worker_killed_again_and_again_counts_what_an_undisturbed_one_does(rolling, kills) -> None:
    for kill in range(kills):
        worker = rolling.start_worker()
        put(rolling, some(MESSAGES, kill * MESSAGES))
        until(lambda: worker.address and rolled_up_messages(worker) > 0, 60)  # noqa: B023
        worker.kill()
    assert not is_all_rolled_up(rolling)
    rolling.start_worker()
    until(lambda: is_all_rolled_up(rolling), 120)


def test_one_of_two_workers_killed_again_and_again_leaves_every_sum_right(rolling, kills) -> None:
    rolling.start_worker()
    for kill in range(kills):
        worker = rolling.start_worker()
        until(lambda: worker.address and worker.ready(), 60)  # noqa: B023
        put(rolling, some(MESSAGES, kill * MESSAGES))
        until(lambda: rolled_up_messages(worker) > 0, 60)  # noqa: B023
        worker.kill()
        rolling.workers.remove(worker)
    until(lambda: is_all_rolled_up(rolling), 120)


def test_a_kafka_that_is_away_for_a_while_changes_no_sum(stack, rolling) -> None:
    worker, server = rolling.start_worker(), stack.servers["kafka"]
    put(rolling, some(MESSAGES))
    until(lambda: worker.address and rolled_up_messages(worker) > 0, 60)
    server.stop()
    server.start()
    put(rolling, some(MESSAGES, MESSAGES))
    until(lambda: is_all_rolled_up(rolling), 120)
    until(lambda: worker.health()["problems"] == {}, 60)


def test_an_elasticsearch_killed_meanwhile_changes_no_sum(stack, rolling) -> None:
    worker, server = rolling.start_worker(), stack.servers["elasticsearch"]
    put(rolling, some(MESSAGES))
    until(lambda: worker.address and rolled_up_messages(worker) > 0, 60)
    server.kill()
    until(lambda: "Elasticsearch" in worker.health()["problems"].get("elasticsearch", ""), 60)
    put(rolling, some(MESSAGES, MESSAGES))
    server.start()
    until(lambda: is_all_rolled_up(rolling), 120)
    until(lambda: worker.health()["problems"] == {}, 60)


def test_flows_are_judged_while_edges_are_not_taken(rolling) -> None:
    away = True

    def turn_away(body: bytes) -> int | None:
        return 429 if away and body.startswith(b'{"index":{"_index":"flowtier_edges.') else None

    with opened(rolling.elasticsearch, turn_away) as url:
        there = Installation(rolling.kafka, url, rolling.name, rolling.folder, rolling.options)
        worker = there.start_worker()
        rolling.workers.append(worker)
        put(rolling, some(20))
        until(lambda: worker.address and "elasticsearch" in worker.health()["problems"], 60)
        rolling.produce([lines([flow(number) for number in range(100)])])
        rolling.wait_for_documents(100)
        assert indexed(rolling, "flowtier_edges.{}.*") == {}
        assert rolled_up_messages(worker) == 0
        away = False
        until(lambda: is_all_rolled_up(rolling), 60)
        until(lambda: worker.health()["problems"] == {}, 60)

"""Nothing lost, nothing twice: workers that die, come and go while flows pass."""

from collections.abc import Callable
from itertools import batched

import pytest

from tests.agents.installation import ALLOW_ALL, Installation, flow, lines
from tests.waiting import until

SMALL_BATCHES = {"FLOWTIER_WORKER_BATCH_FLOWS": "300"}


@pytest.fixture
def published(installation) -> Installation:
    """Policies in force, and small batches, so that there are many."""
    installation.options |= SMALL_BATCHES
    installation.publish(ALLOW_ALL)
    return installation


def produce(installation: Installation, first: int, count: int) -> None:
    flows = [flow(number) for number in range(first, first + count)]
    installation.produce([lines(list(part)) for part in batched(flows, 20)])


def more_documents_than(installation: Installation, count: int) -> Callable[[], bool]:
    return lambda: installation.documents() > count


def check_totals(installation: Installation, count: int) -> None:
    """Elasticsearch and a committed reader of the observations have each flow once."""
    assert installation.documents() == count
    found = installation.search("shop")["aggregations"]["bytes"]["value"]
    assert found == sum(range(count))
    until(lambda: installation.observed()["shop"] >= count)
    edges = list(installation.edges())
    assert sum(edge["flows"] for edge in edges) == count
    assert sum(edge["bytes_in"] for edge in edges) == sum(range(count))


def test_a_worker_killed_again_and_again_loses_nothing_and_counts_nothing_twice(published) -> None:
    step, kills = 4_000, 3
    for number in range(kills):
        worker = published.start_worker()
        produce(published, number * step, step)
        # Killed in the middle of what has just begun to arrive.
        until(more_documents_than(published, number * step))
        worker.kill()
    produce(published, kills * step, step)
    published.start_worker()
    total = (kills + 1) * step
    published.wait_for_documents(total, seconds=90)
    check_totals(published, total)


def test_two_workers_share_the_partitions_and_one_takes_over_when_the_other_dies(published) -> None:
    first, second = published.start_worker(), published.start_worker()
    until(published.shared_out)
    produce(published, 0, 3_000)
    first.kill()
    produce(published, 3_000, 3_000)
    until(lambda: second.health()["partitions"] == [0, 1, 2, 3], 30)
    published.wait_for_documents(6_000, seconds=60)
    check_totals(published, 6_000)


def test_a_worker_told_to_stop_finishes_and_leaves_the_group_at_once(published) -> None:
    first = published.start_worker()
    until(first.ready)
    produce(published, 0, 2_000)
    second = published.start_worker()
    until(published.shared_out)
    assert first.stop() == 0
    # Far below the session timeout: it has said good-bye.
    until(lambda: second.health()["partitions"] == [0, 1, 2, 3], 5)
    published.wait_for_documents(2_000)
    check_totals(published, 2_000)


def test_a_worker_waits_for_a_first_revision_and_says_so(installation) -> None:
    produce(installation, 0, 10)
    worker = installation.start_worker()
    until(lambda: worker.address)
    assert "flowtier publish" in until(lambda: worker.health()["problems"].get("policies"))
    assert not worker.health()["ready"]
    installation.publish(ALLOW_ALL)
    installation.wait_for_documents(10)
    assert worker.health()["problems"] == {}


def test_a_partition_of_only_rejects_is_paused_and_the_others_go_on(published) -> None:
    worker = published.start_worker()
    until(worker.ready)
    published.produce([b"not a flow"] * 1_500, partition=0)
    problem = until(lambda: worker.health()["problems"].get("partition 0"), 60)
    assert "paused" in problem
    assert 'flowtier_partition_paused{partition="0"} 1.0' in worker.get("/metrics")
    published.produce([b"not a flow"] * 1_000, partition=0)
    published.produce([lines([flow(1)])], partition=1)
    published.wait_for_documents(1)
    assert until(lambda: worker.health()["lag"] >= 1_000)

"""Observations become documents of edges and rules, each counted once whatever happens meanwhile."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AdminClient
from elasticsearch import Elasticsearch

from pipeline.flow import Message
from tests.agents.indexed_edges import (
    OFTEN,
    SUMS,
    expected,
    indexed,
    is_all_rolled_up,
    put,
    rolled_up_messages,
    sums,
)
from tests.agents.installation import ALLOW_ALL, STAGED_DENY, Installation, flow, lines
from tests.pipeline.edge_messages import HOUR, START, edge, message, rule
from tests.waiting import until

FIVE_MINUTES = 300_000
WINDOWS = ("interval", "hour", "day")


@pytest.fixture
def rolling(installation: Installation) -> Installation:
    installation.options |= OFTEN
    installation.publish(ALLOW_ALL)
    return installation


def some(count: int, **changes: Any) -> Iterator[Any]:
    """Messages with a few edges each, many of which are the same, onto all four partitions."""
    for number in range(count):
        interval = START - number % 24 * FIVE_MINUTES
        own = [edge(**{"interval": interval, "port": 8080 + number % 3} | changes), edge(**changes)]
        yield message(0, own, [rule(flows=number)], partition=number % 4)


def flows_sums(flows: list[dict[str, Any]]) -> dict[str, int]:
    """What flows add up to, counted as DESIGN.md says, one by one."""
    total: Counter[str] = Counter(dict.fromkeys(SUMS, 0))
    for each in flows:
        if each["reporter"] == "src" or each["source_type"] != "wep":
            sent, received = ("in", "out") if each["reporter"] == "dst" else ("out", "in")
            total["flows"] += 1
            total["connections"] += each["num_flows_started"]
            for what in ("bytes", "packets"):
                total[f"{what}_client"] += each[f"{what}_{sent}"]
                total[f"{what}_server"] += each[f"{what}_{received}"]
    return dict(total)


def test_every_window_adds_up_to_the_flows_that_are_counted(rolling) -> None:
    rolling.publish(ALLOW_ALL, STAGED_DENY)
    rolling.start_worker()
    inside: dict[str, Any] = {}
    outside: dict[str, Any] = {"source_type": "net", "source_name_aggr": "pub", "source_namespace": "-"}
    flows = [
        flow(number, reporter=reporter, **(outside if reporter == "dst" and number % 2 else inside))
        for number in range(1, 200)
        for reporter in ("src", "dst")
    ]
    rolling.produce([lines(flows[start : start + 40]) for start in range(0, len(flows), 40)])
    counted = flows_sums(flows)
    until(lambda: sums(rolling, "day", counted=True) == counted, 90)
    assert [sums(rolling, window, counted=True) for window in WINDOWS] == [counted] * 3
    assert [sums(rolling, window)["flows"] for window in WINDOWS] == [len(flows)] * 3
    assert is_all_rolled_up(rolling)
    assert len(indexed(rolling, "flowtier_rules.{}.*")) > 0


def test_a_worker_makes_the_indices_of_today_before_there_is_anything(rolling) -> None:
    rolling.start_worker()
    with Elasticsearch(rolling.elasticsearch) as client:
        until(
            lambda: len(names := client.indices.get(index=f"flowtier_*.{rolling.name}*")) == 9 and names, 60
        )
        edges = client.indices.get(index=f"flowtier_edges.{rolling.name}.*")
    assert len(edges) == len(WINDOWS)
    for index in edges.body.values():
        assert index["mappings"]["properties"]["source_workload"]["type"] == "keyword"
        assert index["settings"]["index"]["sort"]["field"][0] == "source_namespace"


def test_messages_that_are_read_again_change_nothing(rolling) -> None:
    worker = rolling.start_worker()
    put(rolling, some(100))
    until(lambda: worker.address and rolled_up_messages(worker) == 100, 60)
    before = indexed(rolling)
    assert before == expected(rolling)
    worker.stop()
    admin = AdminClient({"bootstrap.servers": rolling.kafka})
    group, topic = f"{rolling.name}.flowtier-edges", rolling.topics.observations.name
    anew = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, each, 0) for each in range(4)])
    admin.alter_consumer_group_offsets([anew])[group].result(20)
    worker = rolling.start_worker()
    until(lambda: worker.address and rolled_up_messages(worker) == 100, 60)
    assert indexed(rolling) == before
    assert worker.metric("flowtier_edges_documents_total") == 0


def test_late_flows_add_to_their_old_window(rolling) -> None:
    worker = rolling.start_worker()
    late = START - 3 * 24 * HOUR
    for count in (1, 2):
        put(rolling, [message(0, [edge(interval=late, flows=7)])], partition=0)
        until(lambda: worker.address and rolled_up_messages(worker) == count, 60)  # noqa: B023
    [(version, document)] = indexed(rolling, "flowtier_edges.{}.hour.*").values()
    assert (document["@timestamp"], document["flows"]) == (late, 14)
    assert version > 1
    assert is_all_rolled_up(rolling)
    assert worker.metric("flowtier_edges_aged_out_total", window="interval") == 2


def test_a_topic_made_anew_adds_to_what_was_counted_and_overwrites_none_of_it(rolling) -> None:
    worker = rolling.start_worker()
    put(rolling, some(40))
    until(lambda: worker.address and rolled_up_messages(worker) == 40, 60)
    before = indexed(rolling)
    admin, name = AdminClient({"bootstrap.servers": rolling.kafka}), rolling.topics.observations.name
    admin.delete_topics([name])[name].result(20)
    until(lambda: name not in admin.list_topics(timeout=10).topics)
    rolling.create_topics()
    put(rolling, some(40, port=9090))
    until(lambda: indexed(rolling) == before | expected(rolling), 90)


def test_what_cannot_be_read_is_counted_and_passed_over(rolling) -> None:
    worker = rolling.start_worker()
    good = message(0, [edge()]).value or b""
    for value in (good[:-1], good.replace(b'"v":', b'"v":9'), good):
        put(rolling, [Message(value, "", 0, 0, 0)])
    until(lambda: worker.address and rolled_up_messages(worker) == 1, 60)
    assert worker.metric("flowtier_edges_messages_rejected_total", reason="unreadable") == 1
    assert worker.metric("flowtier_edges_messages_rejected_total", reason="version") == 1
    assert is_all_rolled_up(rolling)


def test_two_workers_share_the_partitions_and_count_nothing_twice(rolling) -> None:
    first = rolling.start_worker()
    put(rolling, some(60))
    until(lambda: first.address and rolled_up_messages(first) > 0, 60)
    second = rolling.start_worker()
    until(rolling.shared_out, 60)
    put(rolling, some(200))
    until(lambda: rolled_up_messages(first) + rolled_up_messages(second) >= 260, 60)
    assert rolled_up_messages(second) > 0
    first.stop()
    put(rolling, some(60))
    until(lambda: is_all_rolled_up(rolling), 60)
    assert second.health()["problems"] == {}


def test_edges_are_not_rolled_up_where_they_are_turned_off(rolling) -> None:
    rolling.options["FLOWTIER_EDGES_ENABLED"] = "false"
    worker = rolling.start_worker()
    until(worker.ready, 60)
    groups = AdminClient({"bootstrap.servers": rolling.kafka}).list_consumer_groups().result(20).valid
    assert f"{rolling.name}.flowtier-edges" not in {each.group_id for each in groups}

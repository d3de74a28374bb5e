"""`flowtier rejects` on the real servers: what is listed, and that what is replayed counts once."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from elasticsearch import Elasticsearch

from agents.rejects_topic import Listed, read_rejects
from agents.replay_rejects import Replay, replay
from pipeline.dead_letter import KEPT_BYTES
from tests.agents.installation import ALLOW_ALL, FLOWTIER, ROOT, Installation, Worker, flow, lines
from tests.waiting import until


@pytest.fixture
def start(installation) -> Callable[..., Worker]:
    """Starts a worker in the place of the one before it, with other settings."""
    installation.publish(ALLOW_ALL)

    def start(**options: str) -> Worker:
        for worker in installation.workers:
            if worker.process.poll() is None:
                worker.stop()
        installation.options.update(options)
        worker = installation.start_worker()
        until(worker.ready)
        return worker

    return start


def rejects_of(installation: Installation) -> list[Listed]:
    return read_rejects(installation.settings)


def wait_for_rejects(installation: Installation, count: int) -> list[Listed]:
    until(lambda: len(rejects_of(installation)) >= count)
    return rejects_of(installation)


def replay_all(installation: Installation) -> Replay:
    return replay(installation.settings, lambda _: True)


def states(installation: Installation) -> set[str]:
    return {each.state for each in rejects_of(installation)}


def wait_until_done(worker: Worker) -> None:
    until(lambda: worker.health()["lag"] == 0)


def break_index(installation: Installation, day: datetime) -> Callable[[], None]:
    """Make the day's index with a field that takes numbers only; what comes back mends it."""
    index = f"flowtier_flows.{installation.name}.{day:%Y%m%d}"

    def put(how: dict[str, Any]) -> None:
        with Elasticsearch(installation.elasticsearch) as client:
            mapping = {"properties": {"host": {"type": "long", "doc_values": False, **how}}}
            if client.indices.exists(index=index):
                client.indices.put_mapping(index=index, body=mapping)
            else:
                client.indices.create(index=index, mappings=mapping)

    put({})
    return lambda: put({"ignore_malformed": True})


def today() -> datetime:
    return datetime.fromtimestamp(flow(0)["end_time"], UTC)


def test_what_elasticsearch_refuses_is_not_counted_until_it_is_replayed_and_then_once(
    installation, start
) -> None:
    mend = break_index(installation, today())
    worker = start()
    flows = [flow(number, host="7" if number % 5 else "node") for number in range(100)]
    kept_in_part = flow(100, host="node", more="m" * KEPT_BYTES)
    installation.produce([lines(flows[:50]), lines(flows[50:]), lines([kept_in_part])])
    rejects = wait_for_rejects(installation, 21)
    assert [each.kept.whole for each in rejects].count(False) == 1
    wait_until_done(worker)

    until(lambda: installation.observed()["shop"] >= 80)
    assert installation.documents() == installation.observed()["shop"] == 80
    said = worker.get("/metrics")
    assert "flowtier_flows_total 80.0" in said
    assert 'flowtier_verdicts_total{action="allow"} 80.0' in said
    assert 'flowtier_rejects_total{reason="document_parsing_exception",stage="index"} 21.0' in said

    mend()
    sent = [replay_all(installation).replayed for _ in range(3)]  # however often
    assert sent == [21, 0, 0]
    installation.wait_for_documents(101)
    wait_until_done(worker)
    until(lambda: installation.observed()["shop"] >= 101)
    assert installation.observed()["shop"] == 101
    ids = {hit["_id"].rsplit("-", 2)[-1] for hit in installation.search("shop", 200)["hits"]["hits"]}
    assert ids == {str(row) for row in range(50)}  # under their original coordinates
    found = installation.search("shop", 200)["hits"]["hits"]
    assert all(hit["_source"]["verdict"]["enforced"]["action"] == "allow" for hit in found)
    assert states(installation) == {"replayed"}


def test_a_replay_whose_reason_is_still_there_is_rejected_again_under_the_same_coordinates(
    installation, start
) -> None:
    worker = start()
    installation.produce([b"one\n" + lines([flow(1)]) + b"\ntwo"])
    before = {each.kept.origin for each in wait_for_rejects(installation, 2)}
    assert {origin.row for origin in before} == {0, 2}
    for _ in range(2):
        assert replay_all(installation).replayed == 2
        wait_until_done(worker)
        until(lambda: states(installation) == {"open"})
        assert {each.kept.origin for each in rejects_of(installation)} == before
    until(lambda: installation.observed()["shop"] >= 1)
    assert installation.documents() == installation.observed()["shop"] == 1


def test_a_message_of_which_only_the_beginning_was_kept_is_fetched_from_where_it_stood(
    installation, start
) -> None:
    start(FLOWTIER_FLOWS_MAX_MESSAGE_BYTES="80000")
    installation.produce([lines([flow(number) for number in range(200)]), lines([flow(200)])])
    (reject,) = wait_for_rejects(installation, 1)
    assert (reject.kind, reject.kept.whole) == ("too large", False)

    assert [why for _, why in replay_all(installation).left] == [reject.kept.reason]  # as it still is
    worker = start(FLOWTIER_FLOWS_MAX_MESSAGE_BYTES="1000000")
    assert [replay_all(installation).replayed for _ in range(2)] == [1, 0]
    installation.wait_for_documents(201)
    wait_until_done(worker)
    until(lambda: installation.observed()["shop"] >= 201)
    assert installation.observed()["shop"] == 201
    ids = {hit["_id"] for hit in installation.search("shop", 300)["hits"]["hits"]}
    assert {reject.kept.origin._replace(row=row).document_id for row in range(200)} < ids


def test_what_was_kept_in_part_cannot_be_replayed_once_its_topic_is_made_anew(installation, start) -> None:
    start()
    installation.produce([b"x" * 2 * KEPT_BYTES])
    wait_for_rejects(installation, 1)
    installation.workers[0].stop()
    admin, name = AdminClient({"bootstrap.servers": installation.kafka}), installation.topics.flows.name
    admin.delete_topics([name])[name].result(20)
    until(lambda: name not in admin.list_topics(timeout=10).topics)
    installation.create_topics()
    done = replay_all(installation)
    assert done.replayed == 0
    assert [why for _, why in done.left] == ["only a part was kept, and the topic that it stood on is gone"]


def test_replays_at_the_same_time_send_nothing_twice(installation, start) -> None:
    old = int(today().timestamp()) - 3 * 86_400
    start(FLOWTIER_FLOWS_RETENTION_DAYS="1")
    flows = [flow(number, start_time=old, end_time=old) for number in range(3_000)]
    installation.produce([lines(flows[at : at + 50]) for at in range(0, 3_000, 50)], partition=0)
    wait_for_rejects(installation, 3_000)
    worker = start(FLOWTIER_FLOWS_RETENTION_DAYS="8")
    command = [*FLOWTIER, "rejects", "replay"]
    rivals = [
        subprocess.Popen(
            command, cwd=ROOT, env={"PATH": "", **installation.environment}, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    said = [rival.communicate(timeout=60)[1] for rival in rivals]
    codes = [rival.returncode for rival in rivals]
    assert all(code == 0 or "Replay again" in why for code, why in zip(codes, said, strict=True))
    replay_all(installation)  # what those who were shut out have left
    installation.wait_for_documents(3_000)
    wait_until_done(worker)
    until(lambda: installation.observed()["shop"] >= 3_000)
    assert installation.observed()["shop"] == 3_000


def test_the_commands_list_what_was_rejected_and_tell_what_cannot_be_sent_again(installation, start) -> None:
    start()
    installation.produce([b"\xff" + bytes([i]) for i in range(3)] + [b"{}", None])
    wait_for_rejects(installation, 5)

    def run(*arguments: str) -> str:
        done = installation.run("rejects", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    by_reason = run("list")
    assert [line for line in by_reason.splitlines() if "not UTF-8" in line and " 3 " in line]
    assert run("list", "--each", "--stage", "decode", "--since", "1h").count(" open ") == 5
    assert run("list", "--json", "--reason", "utf-8").count('"state":"open"') == 3
    for option in (("--stage", "index"), ("--since", "2100-01-01")):
        assert run("list", *option) == "Nothing was rejected.\n"
    missing = json.loads(run("list", "--json", "--reason", "reporter"))
    assert (missing["stage"], missing["size"], missing["whole"]) == ("decode", 2, True)

    assert run("replay", "--dry-run", "--reason", "utf-8") == "3 rejects would be sent to the topic flows.\n"
    assert states(installation) == {"open"}
    done = installation.run("rejects", "replay", "--reason", "tombstone")
    assert (done.returncode, done.stdout) == (1, "0 rejects were sent to the topic flows.\n")
    assert "a tombstone holds no flow" in done.stderr


def test_a_wrong_time_and_a_kafka_that_is_away_are_said_in_a_sentence(installation) -> None:
    assert "is neither like 90m" in installation.run("rejects", "list", "--since", "often").stderr
    installation.kafka = "127.0.0.1:1"
    done = installation.run("rejects", "list")
    assert done.returncode == 2
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith("flowtier: Kafka at 127.0.0.1:1 does not answer: ")
    assert "FLOWTIER_KAFKA_BOOTSTRAP" in sentence

"""One worker on the real servers: what comes in, what comes out."""

import json

import pytest
from confluent_kafka import Producer

from tests.agents.installation import ALLOW_ALL, STAGED_DENY, flow, lines
from tests.waiting import until

FORMS = {
    "one flow a message": lambda flows: [lines([each]) for each in flows],
    "many flows a message": lambda flows: [lines(flows[i : i + 50]) for i in range(0, len(flows), 50)],
    "an array": lambda flows: [json.dumps(flows).encode()],
}


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_and_compression_becomes_one_document_a_flow(running, codec, form) -> None:
    namespace = f"{codec}-{form.replace(' ', '-')}"
    flows = [flow(number, namespace) for number in range(200)]
    running.produce(FORMS[form](flows), **{"compression.type": codec})
    running.wait_for_documents(200, namespace)


def test_a_document_carries_what_the_policies_say_of_its_flow(running) -> None:
    running.produce([lines([flow(1, "verdict")])])
    running.wait_for_documents(1, "verdict")
    (hit,) = running.search("verdict", size=1)["hits"]["hits"]
    verdict = hit["_source"]["verdict"]
    assert (verdict["enforced"]["action"], verdict["promoted"]["action"]) == ("allow", "deny")
    assert verdict["impact"] == "newly_denied"
    assert verdict["staged_deny"] == ["sgnp:none"]
    assert verdict["revision"] == running.workers[0].health()["revision"]


def test_what_a_producer_aborted_is_never_seen(running) -> None:
    producer = Producer({"bootstrap.servers": running.kafka, "transactional.id": running.name})
    producer.init_transactions(20)
    for namespace, end in (("aborted", producer.abort_transaction), ("kept", producer.commit_transaction)):
        producer.begin_transaction()
        producer.produce(running.topics.flows.name, lines([flow(1, namespace)]))
        producer.flush(20)
        end(20)
    running.wait_for_documents(1, "kept")
    assert running.documents("aborted") == 0


def test_a_bad_flow_is_a_reject_with_its_reason_and_its_neighbours_are_documents(running) -> None:
    good = [flow(number, "neighbours") for number in range(3)]
    bad = lines([flow(9, "neighbours", dest_port=70_000)])
    running.produce([b"\n".join([lines(good[:1]), bad, lines(good[1:])]), b"\xff\x00 not a flow"])
    running.wait_for_documents(3, "neighbours")
    rejects = until(
        lambda: [json.loads(each.value()) for each in running.records(running.topics.rejects.name)]
    )
    assert {reject["stage"] for reject in rejects} == {"decode"}
    assert any("70000" in reject["value"] for reject in rejects)
    assert all(reject["reason"] for reject in rejects)


def test_observations_count_each_document_once(running) -> None:
    running.produce([lines([flow(number, "observed") for number in range(100)])] * 3)
    running.wait_for_documents(300, "observed")
    assert until(lambda: running.observed()["observed"] >= 300)
    assert running.observed()["observed"] == 300


def test_the_worker_says_what_it_does(running) -> None:
    (worker,) = running.workers
    running.produce([lines([flow(1, "metrics")])])
    running.wait_for_documents(1, "metrics")
    until(lambda: worker.health()["lag"] == 0)
    metrics = worker.get("/metrics")
    assert 'flowtier_impact_total{impact="newly_denied"}' in metrics
    assert 'flowtier_staged_deny_total{policy="sgnp:none"}' in metrics
    assert json.loads(worker.get("/ready"))["ready"] is True
    assert "sgnp" not in running.run("status").stderr
    assert worker.health()["revision"] in running.run("status").stdout


def test_a_new_revision_judges_what_comes_after_it(running) -> None:
    (worker,) = running.workers
    published = running.publish(ALLOW_ALL)
    until(lambda: worker.health()["revision"] == published.revision.revision)
    running.produce([lines([flow(1, "after")])])
    running.wait_for_documents(1, "after")
    (hit,) = running.search("after", size=1)["hits"]["hits"]
    assert hit["_source"]["verdict"]["revision"] == published.revision.revision
    assert hit["_source"]["verdict"]["impact"] == "none"


def test_a_torn_revision_is_refused_and_the_next_publish_repairs_it(running) -> None:
    (worker,) = running.workers
    before = running.publish(ALLOW_ALL).revision.revision
    until(lambda: worker.health()["revision"] == before and not worker.health()["problems"])
    producer = Producer({"bootstrap.servers": running.kafka})
    producer.produce(running.topics.policies.name, b"{}", "projectcalico.org/Tier//torn")
    whole = [
        record for record in running.records(running.topics.policies.name) if record.key() == b"revision"
    ]
    producer.produce(running.topics.policies.name, whole[-1].value(), "revision")
    producer.flush(20)
    problem = until(lambda: worker.health()["problems"].get("policies"))
    assert "refused" in problem
    assert "publish again" in problem
    assert worker.health()["revision"] == before
    assert "flowtier_revision_refused 1.0" in worker.get("/metrics")
    repaired = running.publish(ALLOW_ALL, STAGED_DENY).revision.revision
    until(lambda: worker.health()["revision"] == repaired and not worker.health()["problems"])

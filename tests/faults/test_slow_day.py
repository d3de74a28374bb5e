"""Elasticsearch on a bad day: busy, full, of another mind about a field, or with a certificate gone by."""

import itertools
import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from elasticsearch import Elasticsearch

from tests.agents.installation import ALLOW_ALL, Installation, Worker, flow, lines
from tests.faults.gates import opened
from tests.faults.sender import numbered
from tests.faults.totals import check_each_once
from tests.waiting import until

MESSAGE = 500  # flows


@pytest.fixture
def published(installation) -> Installation:
    """Policies in force, and bulks of a message each."""
    installation.options["FLOWTIER_ELASTICSEARCH_BULK_DOCUMENTS"] = str(MESSAGE)
    installation.publish(ALLOW_ALL)
    return installation


@pytest.fixture
def search(stack) -> Iterator[Elasticsearch]:
    with Elasticsearch(stack.elasticsearch) as client:
        yield client


def produce(installation: Installation, first: int, count: int) -> None:
    flows = map(numbered, range(first, first + count))
    installation.produce([lines(list(part)) for part in itertools.batched(flows, MESSAGE)])


def start(installation: Installation) -> Worker:
    worker = installation.start_worker()
    until(worker.ready, 60)
    return worker


def problem(worker: Worker) -> str:
    return worker.health()["problems"].get("elasticsearch", "")


def check_told(installation: Installation, worker: Worker, words: str) -> None:
    """Health, status and metrics say that Elasticsearch keeps the worker waiting, and why."""
    until(lambda: words in problem(worker))
    assert installation.elasticsearch in problem(worker)
    assert worker.metric("flowtier_problem", about="elasticsearch") == 1
    until(lambda: words in " ".join(installation.run("status").stdout.split()))


def check_over(worker: Worker) -> None:
    until(lambda: not problem(worker))
    assert worker.metric("flowtier_problem", about="elasticsearch") == 0


def test_half_of_the_bulks_turned_away_and_the_others_slow_cost_no_flow(published, stack, full) -> None:
    answers = itertools.cycle((429, None))
    flows = 20_000 if full else 5_000
    with opened(stack.elasticsearch, lambda _: next(answers), delay=5 if full else 1) as url:
        published.options["FLOWTIER_ELASTICSEARCH_URLS"] = url
        worker = published.start_worker()
        produce(published, 0, flows)
        told = until(lambda: worker.address and problem(worker), 60)
        assert url in told
        assert "it answers 429" in told
        check_each_once(published, flows, seconds=180)
        until(lambda: not problem(worker))
        # Half of all requests, and each carried a message's flows.
        assert worker.metric("flowtier_elasticsearch_retries_total", reason="http_429") > flows / 2


def test_a_full_disk_is_waited_for_and_told(published, stack, search) -> None:
    worker = start(published)
    produce(published, 0, 1_000)
    published.wait_for_documents(1_000)
    (index,) = search.indices.get(index=f"flowtier_flows.{published.name}.*")
    # What Elasticsearch does to an index whose disk passes the flood stage.
    search.indices.put_settings(index=index, settings={"index.blocks.read_only_allow_delete": True})
    produce(published, 1_000, 1_000)
    check_told(published, worker, "read-only-allow-delete")
    assert worker.metric("flowtier_elasticsearch_retries_total", reason="cluster_block_exception") > 0
    until(lambda: worker.health()["lag"] > 0)
    search.indices.put_settings(index=index, settings={"index.blocks.read_only_allow_delete": None})
    check_each_once(published, 2_000)
    check_over(worker)


def test_one_document_among_thousands_that_does_not_fit_the_mapping_is_the_only_reject(
    published, search
) -> None:
    worker = start(published)
    published.produce([lines([flow(0, process_id=7)])])
    published.wait_for_documents(1)
    (index,) = search.indices.get(index=f"flowtier_flows.{published.name}.*")
    search.indices.put_mapping(index=index, properties={"process_id": {"type": "integer"}})
    flows = [flow(number, process_id=number) for number in range(1, 5_000)]
    flows[2_500]["process_id"] = "not a number"
    published.produce([lines(list(part)) for part in itertools.batched(flows, MESSAGE)], partition=0)
    published.wait_for_documents(4_999)
    (reject,) = until(lambda: published.records(published.topics.rejects.name))
    said = json.loads(reject.value())
    assert said["stage"] == "index"
    assert "process_id" in said["reason"]
    assert json.loads(said["value"])["bytes_in"] == flows[2_500]["bytes_in"]
    until(lambda: worker.metric("flowtier_flows_total") == 4_999)
    assert worker.metric("flowtier_rejects_total", stage="index", reason="document_parsing_exception") == 1
    assert problem(worker) == ""


def test_a_certificate_that_expires_is_told_and_costs_no_flow_once_it_is_renewed(
    published, stack, tmp_path
) -> None:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with opened(stack.elasticsearch, lambda _: None, tls=context) as url:
        published.options |= {
            "FLOWTIER_ELASTICSEARCH_URLS": url,
            "FLOWTIER_ELASTICSEARCH_CA": str(tmp_path / "ca.pem"),
        }
        worker = start(published)
        produce(published, 0, 1_000)
        published.wait_for_documents(1_000)
        expires = datetime.now(UTC) + timedelta(seconds=1)
        authority.issue_cert("127.0.0.1", not_after=expires).configure_cert(context)
        until(lambda: datetime.now(UTC) > expires)
        produce(published, 1_000, 1_000)
        told = until(lambda: problem(worker), 60)
        assert url in told
        assert "certificate has expired" in told
        assert worker.metric("flowtier_elasticsearch_retries_total", reason="TlsError") > 0
        assert published.documents() == 1_000
        authority.issue_cert("127.0.0.1").configure_cert(context)
        check_each_once(published, 2_000)
        check_over(worker)

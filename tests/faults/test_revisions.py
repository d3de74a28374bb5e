"""Revisions that follow each other quickly, while flows pass."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan

from tests.agents.installation import ALLOW_ALL, Installation
from tests.faults.sender import Sender
from tests.faults.totals import check_each_once
from tests.waiting import until


def manifests(number: int) -> tuple[str, str]:
    """A revision whose policies, enforced and staged, carry its number."""
    allow = ALLOW_ALL.replace("name: all", f"name: all-{number}")
    staged = allow.replace("GlobalNetworkPolicy", "StagedGlobalNetworkPolicy").replace("all-", "none-")
    return allow, staged.replace("Allow", "Deny").replace("order: 1", "order: 0")


def judged(installation: Installation) -> int:
    """How many revisions have judged so far."""
    index = f"flowtier_flows.{installation.name}.*"
    terms = {"terms": {"field": "verdict.revision", "size": 1_000}}
    with Elasticsearch(installation.elasticsearch) as client:
        found = client.search(index=index, size=0, aggs={"revisions": terms})
    return len(found["aggregations"]["revisions"]["buckets"]) if found.get("aggregations") else 0


def documents(installation: Installation) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of every document, the message that it came in and its verdict."""
    index = f"flowtier_flows.{installation.name}.*"
    with Elasticsearch(installation.elasticsearch) as client:
        for hit in scan(client, index=index, size=5_000, source=["verdict"]):
            yield hit["_id"].rpartition("-")[0], hit["_source"]["verdict"]


def test_a_revision_every_second_and_each_message_is_judged_by_exactly_one_that_was_whole(
    installation, full
) -> None:
    installation.options["FLOWTIER_WORKER_BATCH_FLOWS"] = "500"
    published = {installation.publish(*manifests(0)).revision.revision: 0}
    for _ in range(2):
        until(installation.start_worker().ready, 60)
    with Sender(installation, pace=1_000) as sender:
        deadline = time.monotonic() + 180
        while judged(installation) < (30 if full else 5):
            assert time.monotonic() < deadline, "too few of the revisions ever judge"
            due = time.monotonic() + 1
            number = len(published)
            published[installation.publish(*manifests(number)).revision.revision] = number
            until(lambda: time.monotonic() > due)  # noqa: B023 - called at once
        total = sender.finish(at_least=20_000)
    check_each_once(installation, total)

    revisions: dict[str, str] = {}
    flows: Counter[str] = Counter()
    for message, verdict in documents(installation):
        revision = verdict["revision"]
        assert revisions.setdefault(message, revision) == revision
        flows[revision] += 1
        number = published[revision]
        assert verdict["enforced"]["policy"] == f"gnp:all-{number}"
        assert verdict["enforced"]["trace"] == [f"0|default|gnp:all-{number}|allow|0"]
        assert verdict["promoted"]["policy"] == f"sgnp:none-{number}"
        assert verdict["staged_deny"] == [f"sgnp:none-{number}"]
    # The observations of a batch are of the same revision as its documents.
    assert observed(installation) == flows


def observed(installation: Installation) -> Counter[str]:
    """Flows in the observations, by revision."""
    flows: Counter[str] = Counter()
    for record in installation.records(installation.topics.observations.name):
        value = msgspec.json.decode(record.value())
        flows[value["revision"]] += sum(edge["flows"] for edge in value["edges"])
    return flows

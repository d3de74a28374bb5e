"""A revision that is whole and does not load: it is refused, the old one judges on, and everybody is told."""

import json

import msgspec
import pytest
from confluent_kafka import Producer

from agents.whole_topic import text
from pipeline import revisions
from pipeline.revisions import Revision, Shelf
from tests.agents.installation import ALLOW_ALL, Installation, flow, lines
from tests.waiting import until

KEY = "GlobalNetworkPolicy//rubbish"
POLICY = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "GlobalNetworkPolicy",
    "metadata": {"name": "rubbish"},
    "spec": {"selector": "all()", "ingress": [{"action": "Allow"}]},
}


def policy(**spec: object) -> bytes:
    return json.dumps(POLICY | {"spec": POLICY["spec"] | spec}).encode()  # type: ignore[operator]


RUBBISH = {
    "no YAML": b"\t{",
    "bytes of any kind": bytes(range(128, 256)),
    "NUL": b"\0",
    "nothing": b"",
    "no object": b"17",
    "no resource": b"{}",
    "nested deep": b"[" * 20_000 + b"]" * 20_000,
    "an action that is none": policy(ingress=[{"action": "Shrug"}]),
    "a selector that is none": policy(selector="all("),
    "a field of another type": policy(order="first"),
    "a field that nobody knows": policy(odrer=1),
}
RECORDS: dict[str, dict[str, object]] = {
    "a record of the next version": {"v": 2},
    "a record of another kind": {"resources": "many"},
}


def publish_by_hand(installation: Installation, rubbish: bytes | None, **record: object) -> None:
    """As another program would: a resource more, and a record with the right hash."""
    shelf, topic = Shelf(), installation.topics.policies.name
    for each in installation.records(topic):
        shelf.put(text(each.key()), each.value())
    resources = dict(shelf.resources)
    producer = Producer({"bootstrap.servers": installation.kafka})
    if rubbish is not None:
        resources[KEY] = rubbish
        producer.produce(topic, rubbish, KEY)
    revision = Revision(
        revision="by-hand",
        content=revisions.content_hash(resources),
        resources=len(resources),
        source="hand",
        commit=None,
        published=1.0,
    )
    said = msgspec.to_builtins(revision) | record
    producer.produce(topic, msgspec.json.encode(said), revisions.KEY)
    assert producer.flush(20) == 0


@pytest.mark.parametrize("what", [*RUBBISH, *RECORDS])
def test_it_is_refused_and_health_metrics_and_status_say_why_until_it_is_mended(running, what) -> None:
    (worker,) = running.workers
    before = running.publish(ALLOW_ALL, takeover=True).revision.revision
    until(lambda: worker.health()["revision"] == before and not worker.health()["problems"])

    publish_by_hand(running, RUBBISH.get(what), **RECORDS.get(what, {}))
    problem = until(lambda: worker.health()["problems"].get("policies"))
    assert problem.startswith("the newest revision is refused: ")
    assert "Traceback" not in problem
    assert KEY.rpartition("/")[2] in problem or "revision record" in problem
    assert "flowtier_revision_refused 1.0" in worker.get("/metrics")
    assert worker.health()["revision"] == before
    namespace = what.replace(" ", "-").lower()
    running.produce([lines([flow(1, namespace)])])
    running.wait_for_documents(1, namespace)
    (hit,) = running.search(namespace, 1)["hits"]["hits"]
    assert hit["_source"]["verdict"]["revision"] == before

    running.publish(ALLOW_ALL, takeover=True)
    until(lambda: not worker.health()["problems"])
    assert "flowtier_revision_refused 0.0" in worker.get("/metrics")


def test_status_says_why_a_revision_is_refused(running) -> None:
    (worker,) = running.workers
    before = running.publish(ALLOW_ALL, takeover=True).revision.revision
    publish_by_hand(running, policy(ingress=[{"action": "Shrug"}]))
    problem = until(lambda: worker.health()["problems"].get("policies"))

    def shown() -> str:
        """What the command prints, put together again from the lines of its table's cells."""
        rows = [line.split("│") for line in running.run("status").stdout.splitlines() if "│" in line]
        return "".join("".join(cells).replace(" ", "") for cells in zip(*rows, strict=True))

    until(lambda: problem.replace(" ", "") in shown())
    assert before.replace(" ", "") in shown()

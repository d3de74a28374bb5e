"""The flows topic deleted and made again under its name, while a worker runs."""

from confluent_kafka.admin import AdminClient

from tests.agents.installation import ALLOW_ALL, Installation, flow, lines
from tests.faults.gates import opened
from tests.waiting import until

OLD, NEW = 40, 40  # messages of a flow each, as many in the new topic as in the old: the same offsets


def make_anew(installation: Installation) -> None:
    admin, name = AdminClient({"bootstrap.servers": installation.kafka}), installation.topics.flows.name
    admin.delete_topics([name])[name].result(20)
    until(lambda: name not in admin.list_topics(timeout=10).topics)
    installation.create_topics()


def produce(installation: Installation, count: int, namespace: str) -> None:
    for partition in range(4):
        own = [lines([flow(number, namespace)]) for number in range(count)][partition::4]
        installation.produce(own, partition)


def test_new_flows_do_not_overwrite_the_old_ones_at_their_offsets(installation) -> None:
    installation.publish(ALLOW_ALL)
    worker = installation.start_worker()
    until(worker.ready, 60)
    produce(installation, OLD, "old")
    installation.wait_for_documents(OLD, "old")
    until(lambda: worker.metric("flowtier_flows_total") == OLD)
    make_anew(installation)
    produce(installation, NEW, "new")
    installation.wait_for_documents(NEW, "new")
    assert installation.documents("old") == OLD
    until(lambda: installation.observed()["new"] >= NEW)
    assert installation.observed() == {"old": OLD, "new": NEW}


def test_what_is_in_hand_of_the_old_topic_moves_nothing_forward_in_the_new_one(installation) -> None:
    """Batches of the old topic wait for Elasticsearch while it is deleted and made again."""
    held = True

    def turn_away(body: bytes) -> int | None:
        return 429 if held and body.startswith(b'{"index"') else None

    with opened(installation.elasticsearch, turn_away) as url:
        installation.publish(ALLOW_ALL)
        worker = Installation(installation.kafka, url, installation.name, installation.folder).start_worker()
        installation.workers.append(worker)
        until(lambda: worker.address and worker.ready(), 60)
        produce(installation, OLD, "old")
        until(lambda: worker.metric("flowtier_batches_in_flight") > 0)
        make_anew(installation)
        produce(installation, NEW, "new")
        held = False
        installation.wait_for_documents(NEW, "new", seconds=90)
        until(lambda: installation.observed()["new"] >= NEW)
        assert installation.observed()["new"] == NEW
        assert installation.documents("old") <= OLD

"""What workers have rolled up, as it stands in Elasticsearch, and what the topic's messages add up to."""

from collections.abc import Iterable
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from elasticsearch import Elasticsearch

from agents.topics import topic_id
from pipeline.edges import Place
from pipeline.flow import Message
from tests.agents.installation import Installation, Worker
from tests.pipeline.edge_messages import Store

# As often as may be: tests wait for what comes of it.
OFTEN = {"FLOWTIER_EDGES_BATCH_SECONDS": "0.1", "FLOWTIER_EDGES_BATCH_MESSAGES": "20"}
SUMS = ("flows", "connections", "bytes_client", "bytes_server", "packets_client", "packets_server")

type Versions = dict[Place, tuple[int, dict[str, Any]]]


def put(installation: Installation, messages: Iterable[Message], partition: int = -1) -> None:
    """Write messages onto the topic; where no partition is given, each to that of its own."""
    producer = Producer({"bootstrap.servers": installation.kafka})
    for each in messages:
        place = each.partition if partition < 0 else partition
        producer.produce(installation.topics.observations.name, each.value, "shop", partition=place)
        producer.poll(0)
    assert producer.flush(60) == 0


def expected(installation: Installation) -> Versions:
    """The documents that the committed messages add up to, with their versions, read without any worker."""
    name = installation.topics.observations.name
    known_as = topic_id(AdminClient({"bootstrap.servers": installation.kafka}), name)
    store = Store(installation.name)
    for each in installation.records(name):
        store.roll_up([Message(each.value(), known_as, each.partition(), each.offset(), 0)])
    return {place: (store.versions[place], document) for place, document in store.documents.items()}


def indexed(installation: Installation, pattern: str = "flowtier_edges.{}.*,flowtier_rules.{}.*") -> Versions:
    """The documents that are there."""
    index = pattern.replace("{}", installation.name)
    with Elasticsearch(installation.elasticsearch, retry_on_status=[503], max_retries=100) as client:
        client.indices.refresh(index=index)
        found = client.search(index=index, size=10_000, version=True, ignore_unavailable=True)
    return {
        Place(each["_index"], each["_id"]): (each["_version"], each["_source"])
        for each in found["hits"]["hits"]
    }


def is_all_rolled_up(installation: Installation) -> bool:
    """Whether the documents are those that the messages add up to, and no others."""
    documents = expected(installation)
    return bool(documents) and indexed(installation) == documents


def sums(installation: Installation, window: str, **terms: Any) -> dict[str, int]:
    """The figures of a window's documents, added up by Elasticsearch; none where there is no index."""
    with Elasticsearch(installation.elasticsearch, retry_on_status=[503], max_retries=100) as client:
        index = f"flowtier_edges.{installation.name}.{window}.*"
        client.indices.refresh(index=index)
        found = client.search(
            index=index,
            size=0,
            query={"bool": {"filter": [{"term": {name: value}} for name, value in terms.items()]}},
            aggs={name: {"sum": {"field": name}} for name in SUMS},
        )
    return {name: int(each["value"]) for name, each in found.get("aggregations", {}).items()}


def rolled_up_messages(worker: Worker) -> float:
    return worker.metric("flowtier_edges_messages_total")

"""Whether a server answers."""

import urllib.request
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient


def kafka_answers(bootstrap: str) -> bool:
    try:
        AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=1)
    except KafkaException:
        return False
    return True


def elasticsearch_answers(url: str) -> bool:
    health = f"{url}/_cluster/health?wait_for_status=yellow&timeout=1s"
    try:
        with urllib.request.urlopen(health, timeout=5) as answer:  # noqa: S310 - the address is our own
            return bool(answer.status == 200)
    except OSError:
        return False


# By the name that people read.
PROBES: Mapping[str, Callable[[str], bool]] = {"Kafka": kafka_answers, "Elasticsearch": elasticsearch_answers}

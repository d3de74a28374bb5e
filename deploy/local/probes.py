"""Whether a server answers."""

import ssl
import urllib.error
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
    return _answers(f"{url}/_cluster/health?wait_for_status=yellow&timeout=1s")


def etcd_answers(url: str) -> bool:
    return _answers(f"{url}/health")


def kubernetes_answers(url: str) -> bool:
    return _answers(f"{url}/readyz")


def _answers(url: str) -> bool:
    unchecked = ssl._create_unverified_context()  # noqa: S323, SLF001 - the server is our own
    try:
        with urllib.request.urlopen(url, timeout=5, context=unchecked) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code == 401  # a secured one, which has started once it asks who we are
    except OSError:
        return False


# By the name that people read.
PROBES: Mapping[str, Callable[[str], bool]] = {
    "Kafka": kafka_answers,
    "Elasticsearch": elasticsearch_answers,
    "etcd": etcd_answers,
    "Kubernetes": kubernetes_answers,
}

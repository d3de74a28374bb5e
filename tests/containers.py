"""The servers in containers, for a machine that has Docker and no Java."""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import docker
from docker.errors import DockerException, NotFound
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.network import Network

from deploy.local.ports import free_port
from deploy.local.probes import PROBES
from tests.waiting import until

KAFKA = "apache/kafka:4.4.0"
ELASTICSEARCH = "docker.elastic.co/elasticsearch/elasticsearch:9.5.4"
KIBANAS = ("8.19.0", "9.5.4")


def available() -> bool:
    """Whether a Docker daemon answers."""
    try:
        docker.from_env().ping()
    except DockerException:
        return False
    return True


def start() -> dict[str, dict[str, str]]:
    """Starts both; their addresses and, to stop them by, their containers' ids."""
    # They outlive the xdist worker that starts them; the controller stops them.
    testcontainers_config.ryuk_disabled = True
    kafka, bootstrap = _kafka()
    elasticsearch, url = _elasticsearch()
    until(lambda: PROBES["Kafka"](bootstrap), seconds=180)
    until(lambda: PROBES["Elasticsearch"](url), seconds=180)
    return {
        "addresses": {"kafka": bootstrap, "elasticsearch": url},
        "containers": {"kafka": kafka, "elasticsearch": elasticsearch},
    }


@contextmanager
def kibana(version: str) -> Iterator[str]:
    """The URL of a Kibana of this version, with an Elasticsearch of its own."""
    port, single = free_port(), {"discovery.type": "single-node", "xpack.security.enabled": "false"}
    with Network() as network:
        search = DockerContainer(f"docker.elastic.co/elasticsearch/elasticsearch:{version}")
        search.with_network(network).with_network_aliases("search").with_env("ES_JAVA_OPTS", "-Xmx1g")
        for name, value in single.items():
            search.with_env(name, value)
        shown = DockerContainer(f"docker.elastic.co/kibana/kibana:{version}").with_bind_ports(5601, port)
        shown.with_network(network).with_env("ELASTICSEARCH_HOSTS", "http://search:9200")
        with search, shown:
            url = f"http://127.0.0.1:{port}"
            until(lambda: _is_up(url), seconds=300)
            yield url


def _is_up(kibana: str) -> bool:
    with suppress(OSError, ValueError), urllib.request.urlopen(f"{kibana}/api/status", timeout=5) as answer:
        level: str = json.load(answer)["status"]["overall"]["level"]
        return level == "available"
    return False


def stop(ids: Mapping[str, str]) -> None:
    """Removes the containers, where they still are."""
    for name in ids.values():
        try:
            docker.from_env().containers.get(name).remove(force=True, v=True)
        except NotFound:
            continue


def _kafka() -> tuple[str, str]:
    port = free_port()
    environment = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS": "1000",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }
    return _started(KAFKA, environment, 9092, port), f"127.0.0.1:{port}"


def _elasticsearch() -> tuple[str, str]:
    port = free_port()
    environment = {
        "discovery.type": "single-node",
        "xpack.security.enabled": "false",
        "ES_JAVA_OPTS": "-Xms512m -Xmx1g",
    }
    return _started(ELASTICSEARCH, environment, 9200, port), f"http://127.0.0.1:{port}"


def _started(image: str, environment: Mapping[str, str], inside: int, outside: int) -> str:
    container = DockerContainer(image).with_bind_ports(inside, outside)
    for name, value in environment.items():
        container.with_env(name, value)
    return str(container.start().get_wrapped_container().id)

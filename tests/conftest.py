"""What every test can ask for: servers, a name of its own, clients."""

import os
import uuid
from collections.abc import AsyncIterator, Generator

import pytest
from confluent_kafka import Producer
from elasticsearch import AsyncElasticsearch

from tests import servers


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-cases", action="store_true", help="rewrite the golden files under tests/cases")
    parser.addoption("--full", action="store_true", help="faults as long and as often as they are promised")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        servers.control()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    """Gives tests the group that xdist 3.8 writes where pytest 9.2 does not look for it any more: without
    it every test is one of its own, and each process starts the servers of every module."""
    yield
    for item in items:
        grouped = getattr(item, "_nodeid", None)
        if grouped:
            item._id = type(item._id).parse(grouped)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        servers.stop(os.environ[servers.CONTROLLER])


@pytest.fixture(scope="session")
def kafka() -> str:
    """Bootstrap servers of a real Kafka; topics are not created by use."""
    return servers.address("kafka")


@pytest.fixture(scope="session")
def elasticsearch() -> str:
    """URL of a real Elasticsearch."""
    return servers.address("elasticsearch")


@pytest.fixture(scope="session")
def full(pytestconfig: pytest.Config) -> bool:
    """Whether faults come as long and as often as they are promised (`make test-faults`), or in short."""
    return bool(pytestconfig.getoption("--full"))


@pytest.fixture(scope="session")
def kills(full: bool) -> int:
    """How often a process is killed."""
    return 20 if full else 3


@pytest.fixture
def unique() -> str:
    """A name that no other test has, fit for topics, groups, clusters and indices."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture
def topic_prefix(unique: str) -> str:
    """What to put before the names of this test's topics."""
    return f"{unique}."


@pytest.fixture
async def search(elasticsearch: str) -> AsyncIterator[AsyncElasticsearch]:
    """A client of the real Elasticsearch."""
    async with AsyncElasticsearch(elasticsearch) as client:
        yield client


@pytest.fixture
def producer(kafka: str) -> Producer:
    """A producer of the real Kafka."""
    return Producer({"bootstrap.servers": kafka})

"""The sample cluster, once for all tests of the dashboards."""

import uuid
from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch

from tests.dashboards.sample import Sample, load


@pytest.fixture(scope="session")
def sample(elasticsearch: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    cluster = f"s{uuid.uuid4().hex[:12]}"
    yield load(elasticsearch, cluster, tmp_path_factory.mktemp("sample"))
    with Elasticsearch(elasticsearch) as client:
        for index in client.indices.get(index=f"flowtier_*.{cluster}*"):
            client.indices.delete(index=index)


@pytest.fixture(scope="session")
def client(elasticsearch: str) -> Iterator[Elasticsearch]:
    with Elasticsearch(elasticsearch) as client:
        yield client

"""A browser for the tests of a module, and clusters that are made up, in Elasticsearch."""

import uuid
from collections.abc import Iterator

import pytest
from elasticsearch import Elasticsearch
from playwright.sync_api import Page

from tests.dashboards.context import Context
from tests.dashboards.graphs import made, made_board
from tests.dashboards.graphs.browser import Graph, browser
from tests.dashboards.graphs.written import context, write_board, write_edges


# Not for the session: while it is open, nothing else of the process can run an event loop.
@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browser() as page:
        yield page


@pytest.fixture
def graph(page: Page) -> Iterator[Graph]:
    """Where a spec is shown; whatever the browser or Vega complains of fails the test."""
    graph = Graph(page)
    yield graph
    assert not graph.troubles


@pytest.fixture(scope="session")
def large(client: Elasticsearch) -> Iterator[Context]:
    """30 namespaces, 500 workloads."""
    yield from _written(client, "large")


@pytest.fixture(scope="session")
def nasty(client: Elasticsearch) -> Iterator[Context]:
    """Names with everything in them."""
    yield from _written(client, "nasty")


@pytest.fixture(scope="session")
def board(client: Elasticsearch) -> Iterator[Context]:
    """Two revisions of policies, and what matched those of the newer one."""
    yield from _written(client, "board")


@pytest.fixture
def nobody() -> Context:
    """A cluster of which there is no index."""
    return context("nobody-at-all")


def _written(client: Elasticsearch, kind: str) -> Iterator[Context]:
    cluster = f"g{uuid.uuid4().hex[:12]}"
    if kind == "board":
        write_board(client, cluster, *made_board.board())
    else:
        write_edges(client, cluster, made.large() if kind == "large" else made.nasty())
    yield context(cluster)
    for index in client.indices.get(index=f"flowtier_*.{cluster}*"):
        client.indices.delete(index=index)

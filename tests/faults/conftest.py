"""Servers that tests may stop, kill and start again, and installations on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests import servers
from tests.agents.installation import Installation


@pytest.hookimpl(tryfirst=True)  # before xdist groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a module run in one process, else each process would start that module's servers."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A Kafka and an Elasticsearch that no other module uses: `stack.servers["kafka"].kill()`, `.start()`."""
    with servers.own_stack() as own:
        yield own


@pytest.fixture
def installation(stack, unique, tmp_path) -> Iterator[Installation]:
    """An installation with its topics on servers that all run, whatever the test before did to them."""
    for server in stack.servers.values():
        if not server.is_alive():
            server.start()
    installed = Installation(stack.kafka, stack.elasticsearch, unique, tmp_path)
    installed.create_topics()
    yield installed
    installed.close()

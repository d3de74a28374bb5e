"""Installations on the real servers."""

import uuid
from collections.abc import Iterator

import pytest

from tests.agents.installation import ALLOW_ALL, STAGED_DENY, Installation
from tests.waiting import until


@pytest.fixture
def installation(kafka, elasticsearch, unique, tmp_path) -> Iterator[Installation]:
    """An installation with its topics, and nothing published."""
    installed = Installation(kafka, elasticsearch, unique, tmp_path)
    installed.create_topics()
    yield installed
    installed.close()


@pytest.fixture(scope="module")
def running(kafka, elasticsearch, tmp_path_factory) -> Iterator[Installation]:
    """An installation with policies and one ready worker, for the tests of a module together."""
    name = f"t{uuid.uuid4().hex[:12]}"
    installed = Installation(kafka, elasticsearch, name, tmp_path_factory.mktemp("running"))
    installed.create_topics()
    installed.publish(ALLOW_ALL, STAGED_DENY)
    worker = installed.start_worker()
    until(worker.ready)
    yield installed
    installed.close()

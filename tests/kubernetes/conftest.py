"""Kubernetes APIs, and publishers that follow them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.kubernetes import Kubernetes
from deploy.local.kubernetes_build import is_built
from deploy.local.kubernetes_tools import TO_RUN
from tests import servers
from tests.agents.installation import Installation
from tests.kubernetes.client import Client
from tests.kubernetes.publisher import Publisher


@pytest.hookimpl(tryfirst=True)  # before -m chooses and xdist groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a module run in one process: each process would start that module's API."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.kubernetes)
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


@pytest.fixture(scope="session")
def programs() -> None:
    """What a Kubernetes API is started from; where it is not there, its tests are left out, but not in CI."""
    missing = [name for name in TO_RUN if not shutil.which(name)]
    if missing or not is_built():
        reason = f"{' and '.join(missing) or 'kube-apiserver'} missing: make kubernetes says what to do"
        if os.environ.get("CI") and shutil.which("go"):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def shared(programs) -> Kubernetes:
    """A Kubernetes API for all tests that leave it as it was."""
    return servers.kubernetes()


@pytest.fixture(scope="module")
def cluster(programs) -> Iterator[Kubernetes]:
    """A Kubernetes API that no other module uses."""
    with servers.own_kubernetes() as own:
        yield own


@pytest.fixture
def client(cluster) -> Iterator[Client]:
    """The API as an admin writes to it; what a test wrote is gone after it."""
    made = Client(cluster)
    yield made
    made.remove_all()
    made.close()


@pytest.fixture
def installation(kafka, unique, tmp_path) -> Installation:
    """Topics of its own."""
    installed = Installation(kafka, "http://127.0.0.1:1", unique, tmp_path)
    installed.create_topics()
    return installed


@pytest.fixture
def publisher(installation, cluster) -> Iterator[Publisher]:
    """`flowtier publish --from-kubernetes` as an admin."""
    with Publisher(installation, cluster.kubeconfig) as running:
        yield running

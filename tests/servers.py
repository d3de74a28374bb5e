"""The servers of a test run: by address, from the local stack, or in containers where Docker runs."""

import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.kubernetes import Kubernetes
from deploy.local.place import local
from deploy.local.security import Security
from deploy.local.stack import Stack
from tests import containers

GIVEN = {"kafka": "FLOWTIER_TEST_KAFKA", "elasticsearch": "FLOWTIER_TEST_ELASTICSEARCH"}
# The process that controls the run: its xdist workers share one pair of servers by this name.
CONTROLLER = "FLOWTIER_TEST_CONTROLLER"
KUBERNETES = "kubernetes-"
OWN = "own-"  # folders of the stacks that tests have for themselves, within that of the run
FOLDER = Path(__file__).parents[1] / ".local" / "tests"


def address(server: str) -> str:
    """Where `server` (kafka or elasticsearch) is; the first test of a run that asks has both started.

    Raises StackError where the environment names none, and neither Java and Maven nor Docker are there.
    """
    given = os.environ.get(GIVEN[server])
    if given:
        return given
    with _run(os.environ[CONTROLLER]) as run:
        if "addresses" not in run:
            run |= _start(os.environ[CONTROLLER])
        found: str = run["addresses"][server]
        return found


@contextmanager
def own_stack(security: Security | None = None) -> Iterator[Stack]:
    """A stack that nobody else uses, removed in the end; raises StackError."""
    controller = os.environ[CONTROLLER]
    with _run(controller):  # from now on the run is known, and cleared away should it be killed
        stack = Stack(f"tests/{controller}/{OWN}{uuid.uuid4().hex[:8]}", security=security)
    try:
        stack.start()
        yield stack
    finally:
        stack.remove()


def kubernetes() -> Kubernetes:
    """The Kubernetes API of the run, which the first test that asks has started; raises StackError."""
    controller = os.environ[CONTROLLER]
    with _run(controller):  # from now on the run is known, and cleared away should it be killed
        pass
    # Its start takes half a minute of waiting, in which others want their servers.
    with (FOLDER / f"{controller}.kubernetes").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        cluster = Kubernetes(f"tests/{controller}/{KUBERNETES}shared")
        if not cluster.is_running():
            cluster.start()
        return cluster


@contextmanager
def own_kubernetes() -> Iterator[Kubernetes]:
    """A Kubernetes API without Calico's admission that nobody else uses, removed in the end; raises
    StackError."""
    controller = os.environ[CONTROLLER]
    with _run(controller):
        cluster = Kubernetes(f"tests/{controller}/{KUBERNETES}{uuid.uuid4().hex[:8]}", admission=False)
    with cluster:
        yield cluster


def control() -> None:
    """Makes this process the controller of a run, and clears away what killed runs left behind."""
    os.environ[CONTROLLER] = str(os.getpid())
    for file in FOLDER.glob("*.lock"):
        if not _is_alive(int(file.stem)):
            stop(file.stem)


def stop(controller: str) -> None:
    """Stops what that run started, and forgets it."""
    with _run(controller) as run:
        containers.stop(run.get("containers", {}))
        for own in (local() / "tests" / controller).glob(f"{OWN}*"):
            Stack(f"tests/{controller}/{own.name}").remove()
        for own in (local() / "tests" / controller).glob(f"{KUBERNETES}*"):
            Kubernetes(f"tests/{controller}/{own.name}").remove()
        Stack(f"tests/{controller}").remove()
    for file in FOLDER.glob(f"{controller}.*"):
        file.unlink()


def _start(controller: str) -> dict[str, dict[str, str]]:
    stack = Stack(f"tests/{controller}")
    try:
        stack.start()
    except StackError:
        if not containers.available():
            raise
        return containers.start()
    return {"addresses": {"kafka": stack.kafka, "elasticsearch": stack.elasticsearch}}


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _run(controller: str) -> Iterator[dict[str, dict[str, str]]]:
    """What a run has started, held alone; a change is kept."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    file = FOLDER / f"{controller}.json"
    with (FOLDER / f"{controller}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run: dict[str, dict[str, str]] = json.loads(file.read_text()) if file.exists() else {}
        yield run
        file.write_text(json.dumps(run))

"""Nothing lost, nothing twice, whoever dies or is away while flows pass."""

import asyncio
import time
from collections import deque

from agents.health import Health
from agents.wait_for_kafka import wait_for_kafka
from agents.whole_topic import WholeTopic
from deploy.local.child import Child
from pipeline.sections import Worker as WorkerSettings
from tests.agents.installation import ALLOW_ALL, Installation, Worker, flow, lines
from tests.faults.sender import Sender
from tests.faults.totals import check_each_once
from tests.waiting import until

SMALL_BATCHES = {"FLOWTIER_WORKER_BATCH_FLOWS": "500"}


class Workers:
    """Two workers, of whom one is killed and another one started, again and again."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._alive = deque(installation.start_worker() for _ in range(2))

    def replace(self) -> None:
        """kill -9 the elder one in the middle of a batch."""
        victim = self._alive.popleft()
        until(lambda: batches_in_flight(victim) > 0, 90)
        victim.kill()
        self._alive.append(self._installation.start_worker())

    def go_without(self, server: Child, seconds: float) -> None:
        """The server is stopped in order, and comes back after that time, and once the worker that has
        been there longest says that it waits for it."""
        until(self._alive[0].ready, 60)
        about, back = server.name.lower(), time.monotonic() + seconds
        server.stop()
        problem = until(lambda: problems(self._alive[0]).get(about, ""), 60)
        assert server.address in problem
        until(lambda: time.monotonic() > back, seconds)
        server.start()

    def check(self) -> None:
        """Nobody has ended but those who were killed, and nothing troubles the others."""
        for worker in self._alive:
            assert worker.process.poll() is None, worker.log.read_text()[-4000:]
            until(lambda: worker.ready() and problems(worker) == {})  # noqa: B023 - called at once


def problems(worker: Worker) -> dict[str, str]:
    """What troubles it, as far as it says anything yet."""
    return worker.health()["problems"] if worker.address else {}


def batches_in_flight(worker: Worker) -> float:
    assert worker.process.poll() is None, worker.log.read_text()[-4000:]
    return worker.metric("flowtier_batches_in_flight") if worker.address else 0


def test_workers_that_are_killed_and_servers_that_are_away_cost_and_double_no_flow(
    stack, installation, kills, full
) -> None:
    installation.options |= SMALL_BATCHES
    installation.publish(ALLOW_ALL)
    workers = Workers(installation)
    faults = {
        kills // 3: lambda: workers.go_without(stack.servers["elasticsearch"], 30 if full else 3),
        2 * kills // 3: lambda: workers.go_without(stack.servers["kafka"], 0),
    }
    with Sender(installation, pace=2_000) as sender:
        for number in range(kills):
            workers.replace()
            faults.get(number, lambda: None)()
        total = sender.finish(at_least=300_000 if full else 20_000)
    check_each_once(installation, total, seconds=600)
    workers.check()


async def test_a_kafka_that_goes_away_before_a_worker_has_begun_is_waited_for_and_told(
    stack, installation
) -> None:
    kafka, health = stack.servers["kafka"], Health()
    kafka.stop()
    name = installation.topics.policies.name
    opening = asyncio.create_task(
        wait_for_kafka(health, stack.kafka, lambda: WholeTopic(installation.settings, name))
    )
    await asyncio.to_thread(until, lambda: stack.kafka in health.problems.get("kafka", ""))
    await asyncio.to_thread(kafka.start)
    with await opening as topic:
        assert topic.read_to_end() == []
    assert health.problems == {}


def test_where_one_of_two_workers_dies_the_other_goes_on_within_the_session_timeout(
    installation, full
) -> None:
    default = WorkerSettings()
    if full:  # else the shorter ones of the installation
        installation.options |= {
            "FLOWTIER_WORKER_SESSION_TIMEOUT_SECONDS": str(default.session_timeout_seconds),
            "FLOWTIER_WORKER_HEARTBEAT_SECONDS": str(default.heartbeat_seconds),
        }
    settings = installation.settings.worker
    installation.publish(ALLOW_ALL)
    first, _ = installation.start_worker(), installation.start_worker()
    until(installation.shared_out, 60)
    first.kill()
    died = time.monotonic()
    for partition in range(4):
        installation.produce([lines([flow(partition)])], partition)
    installation.wait_for_documents(4)
    gap = time.monotonic() - died
    print(f"flows of the dead worker's partitions were indexed {gap:.1f} s after its death")
    # Kafka notices after the session timeout at most; the other worker hears of it with its next heartbeat.
    assert gap < settings.session_timeout_seconds + settings.heartbeat_seconds + 5

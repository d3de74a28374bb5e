"""The sample cluster as it was over a stretch of time: nodes and pods with addresses, names and lives."""

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from deploy.demo.inventory import WORKLOADS, Labels, Workload

NODES = 6  # per unit of scale: more than any workload has replicas, so that its pods stand apart
DAY = 86_400
REPORT_HOUR = 2  # UTC
REPORT_LASTS = 1_800
ROLLOUTS = {"online-boutique/frontend": 0.3, "team-atlas/web": 0.55}  # at this share of the window
_SUBNETS = {
    "us-east-1a": IPv4Network("10.0.64.0/19"),
    "us-east-1b": IPv4Network("10.0.96.0/19"),
    "us-east-1c": IPv4Network("10.0.128.0/19"),
}
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"  # Kubernetes' own, for names that spell nothing


@dataclass(frozen=True, slots=True)
class Window:
    """The time that the flow logs cover: whole intervals, seconds since the epoch."""

    start: int
    end: int
    interval: int = 300

    def at(self, share: float) -> int:
        """The start of the interval at a share of the window."""
        return self.start + int(len(self) * share) * self.interval

    def __len__(self) -> int:
        return (self.end - self.start) // self.interval


@dataclass(frozen=True, slots=True)
class Node:
    name: str
    ip: str
    zone: str


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod; `deleted` is None while it lives. Times are seconds since the epoch."""

    workload: Workload
    name: str
    generate_name: str
    uid: str
    ip: str
    node: Node
    labels: Labels
    created: int
    deleted: int | None = None

    def alive(self, start: int, end: int) -> bool:
        """Whether it ran through the whole of [start, end)."""
        return self.created <= start and (self.deleted is None or end <= self.deleted)


@dataclass(frozen=True, slots=True)
class Cluster:
    window: Window
    nodes: tuple[Node, ...]
    pods: tuple[Pod, ...]

    def changes(self) -> list[int]:
        """The times within the window at which pods came or went."""
        times = {time for pod in self.pods for time in (pod.created, pod.deleted) if time is not None}
        return sorted(time for time in times if self.window.start < time < self.window.end)


def build(window: Window, scale: int, seed: int) -> Cluster:
    """The cluster of a seed, `scale` times its smallest size; ValueError where the subnets are too small."""
    addresses = {zone: _addresses(net, _seeded(seed, zone)) for zone, net in _SUBNETS.items()}
    nodes = tuple(_node(zone, next(addresses[zone])) for zone in _zones(NODES * scale))
    pods = tuple(
        pod
        for workload in WORKLOADS
        for pod in _pods(workload, window, nodes, scale, addresses, _seeded(seed, workload.key))
    )
    return Cluster(window, nodes, pods)


def nights(window: Window) -> list[int]:
    """The times within the window at which the nightly report starts."""
    first = window.start - window.start % DAY + REPORT_HOUR * 3_600
    return [time for time in range(first, window.end, DAY) if time >= window.start]


def _seeded(seed: int, name: str) -> random.Random:
    """Each thing has its own luck, so that one more workload changes no other."""
    return random.Random(f"{seed}/{name}")  # noqa: S311 - a sample, no secret


def _addresses(net: IPv4Network, rng: random.Random) -> Iterator[str]:
    """The addresses of a subnet in the order in which the VPC happens to give them out."""
    offsets = range(16, net.num_addresses - 16)
    for offset in rng.sample(offsets, len(offsets)):
        yield str(net[offset])
    raise ValueError(f"the sample's subnet {net} has no address left: choose a smaller scale")


def _zones(count: int) -> list[str]:
    names = list(_SUBNETS)
    return [names[index % len(names)] for index in range(count)]


def _node(zone: str, ip: str) -> Node:
    return Node(f"ip-{ip.replace('.', '-')}.ec2.internal", ip, zone)


def _pods(
    workload: Workload,
    window: Window,
    nodes: tuple[Node, ...],
    scale: int,
    addresses: dict[str, Iterator[str]],
    rng: random.Random,
) -> Iterator[Pod]:
    """All pods of a workload, those that a rollout replaced too, each of a generation on its own node."""
    replicas = workload.replicas * (scale if workload.grows else 1)
    count = len(nodes) if workload.kind == "DaemonSet" else replicas
    for created, deleted in _lives(workload, window, rng):
        generation = _letters(rng, 10)
        first = rng.randrange(len(nodes))
        for ordinal in range(count):
            node = nodes[(first + ordinal) % len(nodes)]
            name, generate_name, labels = _named(workload, generation, ordinal, created, rng)
            ip = node.ip if workload.host_network else next(addresses[node.zone])
            uid = str(uuid.UUID(int=rng.getrandbits(128), version=4))
            yield Pod(workload, name, generate_name, uid, ip, node, labels, created, deleted)


def _lives(workload: Workload, window: Window, rng: random.Random) -> list[tuple[int, int | None]]:
    if workload.kind == "Job":
        return [(start, start + REPORT_LASTS) for start in nights(window)]
    born = window.start - rng.randrange(1, 20) * DAY - rng.randrange(DAY)
    if workload.key not in ROLLOUTS:
        return [(born, None)]
    rollout = window.at(ROLLOUTS[workload.key])
    return [(born, rollout), (rollout, None)]


def _named(
    workload: Workload, generation: str, ordinal: int, created: int, rng: random.Random
) -> tuple[str, str, Labels]:
    """A pod's name, generateName and labels, with what its controller adds."""
    name = workload.name
    if workload.kind == "Deployment":
        prefix = f"{name}-{generation}-"
        return prefix + _letters(rng, 5), prefix, workload.labels | {"pod-template-hash": generation}
    if workload.kind == "StatefulSet":
        pod = f"{name}-{ordinal}"
        added = {
            "apps.kubernetes.io/pod-index": str(ordinal),
            "controller-revision-hash": f"{name}-{generation}",
            "statefulset.kubernetes.io/pod-name": pod,
        }
        return pod, f"{name}-", workload.labels | added
    if workload.kind == "Job":
        job = f"{name}-{created // 60}"  # as a CronJob names it: minutes since the epoch
        added = {"batch.kubernetes.io/job-name": job, "job-name": job}
        return f"{job}-{_letters(rng, 5)}", f"{job}-", workload.labels | added
    added = {"controller-revision-hash": generation, "pod-template-generation": "1"}
    return f"{name}-{_letters(rng, 5)}", f"{name}-", workload.labels | added


def _letters(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(_ALPHABET, k=count))

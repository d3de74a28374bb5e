"""Talks become edges: which pods, hosts and addresses meet while the cluster stays as it is."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from deploy.demo.cluster import Cluster, Pod
from deploy.demo.ends import End, host_end, outside_ends, pod_end
from deploy.demo.inventory import OUTSIDES, WORKLOADS, Port, Workload
from deploy.demo.traffic import NODES, Talk

_WORKLOADS = {workload.key: workload for workload in WORKLOADS}


@dataclass(frozen=True, slots=True)
class Edge:
    """A talk between given ends; `own_host`: the health check of a host on its own pod."""

    talk: Talk
    sources: tuple[End, ...]
    dests: tuple[End, ...]
    own_host: bool = False

    @property
    def service(self) -> tuple[Workload, Port] | None:
        """The destination and its port, where a service stands before them."""
        workload = _WORKLOADS.get(self.talk.dest)
        if workload is None or not workload.service:
            return None
        return next(((workload, port) for port in workload.ports if _is(port, self.talk)), None)

    @property
    def must_show(self) -> bool:
        """Whether it is rare, and has to be in the flow log however short that be."""
        workload = _WORKLOADS.get(self.talk.source)
        nightly = workload is not None and workload.kind == "Job"
        return nightly or self.talk.due is not None


def _is(port: Port, talk: Talk) -> bool:
    return port.number == talk.port and port.protocol.lower() == talk.protocol


def edges(cluster: Cluster, talks: Iterable[Talk], start: int, end: int) -> list[Edge]:
    """The edges of [start, end), a time in which no pod comes or goes, health checks among them."""
    pods = [pod for pod in cluster.pods if pod.alive(start, end) and not pod.workload.host_network]
    found = _finder(cluster, pods)
    between = (Edge(talk, _ends(talk, found), found(talk.dest)) for talk in talks)
    met = [edge for edge in between if edge.sources and edge.dests]
    return [*met, *_health_checks(pods)]


def _ends(talk: Talk, found: Callable[[str], tuple[End, ...]]) -> tuple[End, ...]:
    return found(talk.source)[:1] if talk.single else found(talk.source)


def _finder(cluster: Cluster, pods: Iterable[Pod]) -> Callable[[str], tuple[End, ...]]:
    ends: dict[str, list[End]] = defaultdict(list)
    for pod in pods:
        ends[pod.workload.key].append(pod_end(pod))
    ends[NODES] = [host_end(node) for node in cluster.nodes]
    for outside in OUTSIDES.values():
        ends[outside.name] = outside_ends(outside)
    return lambda party: tuple(ends[party])


def _health_checks(pods: Iterable[Pod]) -> Iterator[Edge]:
    for pod in pods:
        port = next((port for port in pod.workload.ports if port.protocol == "TCP"), None)
        if port is not None:
            talk = Talk(NODES, pod.workload.key, port.number, 30, 300, 400)
            yield Edge(talk, (host_end(pod.node),), (pod_end(pod),), own_host=True)

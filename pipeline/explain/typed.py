"""A flow as it is typed: two ends, protocol and port ▸ a record as a node would have logged it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from pipeline.addresses import REGIONS, network_of
from pipeline.facts import Facts
from pipeline.policy.facts_resources import Pod
from pipeline.user_error import UserError
from pipeline.workload import workload_of

WORDS = {"public": "pub", "private": "pvt"} | {region: region for region in REGIONS}
NEAREST = 4


class FlowError(UserError):
    """A flow that cannot be asked about; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class _End:
    """One end as a record names it. `ips`: the addresses that it may have, one of which is taken."""

    type: str
    namespace: str = "-"
    name: str = "-"
    name_aggr: str = "-"
    ips: tuple[str, ...] = ()
    domain: str = ""
    node: str = ""


def typed_record(
    source: str, dest: str, protocol: str, port: int | None, source_port: int | None, facts: Facts, at: float
) -> dict[str, Any]:
    """The record of a flow at a time (epoch seconds). Raises FlowError where an end is nobody."""
    ends = _of_one_family(_end(source, facts, at), _end(dest, facts, at))
    if ends[0].domain:
        raise FlowError(f"{source}: a flow comes from an address, a pod or a workload, not from a domain")
    record: dict[str, Any] = {"start_time": at, "end_time": at, "reporter": "src", "proto": protocol}
    for side, end in zip(("source", "dest"), ends, strict=True):
        record |= {
            f"{side}_type": end.type,
            f"{side}_namespace": end.namespace,
            f"{side}_name": end.name,
            f"{side}_name_aggr": end.name_aggr,
            f"{side}_ip": end.ips[0] if len(end.ips) == 1 else None,
        }
    record |= {"dest_port": port, "source_port": source_port, "host": ends[1].node or None}
    return record | ({"dest_domains": [ends[1].domain]} if ends[1].domain else {})


def _end(text: str, facts: Facts, at: float) -> _End:
    if text in WORDS:
        return _End("net", name_aggr=WORDS[text])
    if network_of(text):
        return _at_address(text, facts, at)
    namespace, slash, name = text.rpartition("/")
    pods = [version.fact for version in facts.pods() if version.since <= at < version.until]
    found = [pod for pod in pods if name in _names(pod) and (not slash or pod.namespace == namespace)]
    hosts = facts.host_endpoints(text.removeprefix("host/"), "", at, at)
    if found:
        return _of_pods(text, found)
    if hosts:
        return _End("hep", name=hosts[0].fact.name, name_aggr=hosts[0].fact.node, ips=hosts[0].fact.ips)
    if not slash and "." in text:
        return _End("net", name_aggr="pub", domain=text)
    raise FlowError(_nobody(text, pods))


def _names(pod: Pod) -> Iterator[str]:
    """What a pod is called: itself, its workload, what flow logs have for it."""
    yield pod.name
    yield workload_of(pod.generate_name or pod.name, [f"{k}={v}" for k, v in pod.labels.items()])
    if pod.generate_name:
        yield f"{pod.generate_name}*"


def _of_pods(text: str, pods: list[Pod]) -> _End:
    namespaces = sorted({pod.namespace for pod in pods})
    if len(namespaces) > 1:
        raise FlowError(f"{text}: in several namespaces: {_listed(f'{each}/{text}' for each in namespaces)}")
    if len(pods) == 1 or all(pod.name == pods[0].name for pod in pods):
        (pod, *_) = pods
        aggregated = f"{pod.generate_name}*" if pod.generate_name else pod.name
        return _End("wep", pod.namespace, pod.name, aggregated, pod.ips, node=pod.node)
    prefixes = sorted({f"{pod.generate_name}*" if pod.generate_name else pod.name for pod in pods})
    if len(prefixes) > 1:
        raise FlowError(f"{text}: several are called so; name one of {_listed(prefixes)}")
    return _End("wep", namespaces[0], name_aggr=prefixes[0])


def _at_address(text: str, facts: Facts, at: float) -> _End:
    pods = [version.fact for version in facts.pods_at(text, at, at) if version.until > at]
    if pods:
        return replace(_of_pods(text, pods), ips=(text,))
    for host in facts.hosts():
        if text in host.ips:
            return _End("hep", name=host.name, name_aggr=host.node, ips=(text,))
    return _End("net", name_aggr="pub", ips=(text,))


def _of_one_family(source: _End, dest: _End) -> tuple[_End, _End]:
    """Each with one address where it has one of a family that both have; IPv4 goes first."""
    families = [{_version(ip) for ip in end.ips} or {4, 6} for end in (source, dest)]
    shared = families[0] & families[1]
    if not shared:
        raise FlowError("the two ends have no address family in common: one is IPv4, one IPv6")
    family = min(shared)
    one, other = (
        replace(end, ips=tuple(ip for ip in end.ips if _version(ip) == family)[:1]) for end in (source, dest)
    )
    return one, other


def _version(ip: str) -> int:
    net = network_of(ip)
    return net.version if net else 4


def _nobody(text: str, pods: Iterable[Pod]) -> str:
    known = {f"{pod.namespace}/{name}" for pod in pods for name in _names(pod) if not name.endswith("*")}
    if not known:
        return f"{text}: no pod is known at all; name facts by --facts, or give addresses"
    by_end = {each.rpartition("/")[2]: each for each in sorted(known)}
    near = get_close_matches(text, sorted(known), NEAREST) or [
        by_end[name] for name in get_close_matches(text.rpartition("/")[2], by_end, NEAREST)
    ]
    hint = f"; nearest: {_listed(near)}" if near else ""
    return f"{text}: no pod, workload or host of that name is known{hint}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)

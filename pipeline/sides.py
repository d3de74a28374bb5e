"""Who one endpoint of a flow record may be, by what the record and the facts prove."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple

import msgspec

from pipeline.addresses import PRIVATE, PUBLIC, networks_of, ordered
from pipeline.facts import Facts, Version, alive
from pipeline.flow import Endpoint
from pipeline.identity import Candidate, Identity, Labels, NamedPort
from pipeline.policy.facts_resources import HostEndpoint, Namespace, Pod, ServiceAccount
from pipeline.policy.policies import Network, NetworkSet

NAMESPACE = "projectcalico.org/namespace"
ORCHESTRATOR = "projectcalico.org/orchestrator"
SERVICE_ACCOUNT = "projectcalico.org/serviceaccount"
INHERITED = ("pcns.", "pcsa.")  # prefixes of what comes from namespace and service account (CALICO.md §2.6)
REGIONS = {"pvt": PRIVATE, "pub": PUBLIC}


class Who(NamedTuple):
    """Everyone that an endpoint may be, and what left that open; "ip" stands for the side's own."""

    candidates: tuple[Candidate, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that the facts know, at any time, of whom a record may mean."""

    pods: list[Version[Pod]] = field(default_factory=list)
    host_endpoints: list[Version[HostEndpoint]] = field(default_factory=list)
    namespaces: list[Version[Namespace]] = field(default_factory=list)
    service_accounts: dict[str, list[Version[ServiceAccount]]] = field(default_factory=dict)

    def times(self) -> list[float]:
        """When the answer may change: finite epoch seconds, ascending."""
        versions: list[Version[Any]] = [*self.pods, *self.host_endpoints, *self.namespaces]
        versions += [version for account in self.service_accounts.values() for version in account]
        return sorted(
            {time for version in versions for time in (version.since, version.until) if isfinite(time)}
        )


class _Inherited(NamedTuple):
    """What namespace and service account give an endpoint; `open` = prefixes of what is not known."""

    labels: dict[str, str]
    open: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class _Found:
    """The identities found so far, each with the addresses that it may have; None = any."""

    def __init__(self, address: tuple[Network, ...]) -> None:
        self.address = address  # what the record tells, () = nothing
        self.identities: dict[Identity, set[Network] | None] = {}
        self.missing: set[str] = set()

    def add(self, identity: Identity, ips: Iterable[str], lacks: Iterable[str] = ()) -> None:
        self.missing.update(lacks)
        addresses = self.address or networks_of(ips)
        before = self.identities.setdefault(identity, set())
        if not addresses or before is None:
            self.identities[identity] = None
        else:
            before.update(addresses)

    def who(self, several: str) -> Who:
        """All of them; `several` names what is missing where there is more than one."""
        missing = self.missing | ({several} if len(self.identities) > 1 else set())
        candidates = [Candidate(identity, ordered(nets or ())) for identity, nets in self.identities.items()]
        return _who(candidates, missing)


def kind_of(endpoint: Endpoint) -> str:
    """The endpoint's type; where the record does not say, as far as its aggregated name does."""
    if endpoint.type or not endpoint.name_aggr:
        return endpoint.type
    if endpoint.name_aggr in REGIONS:
        return "net"
    return "wep" if endpoint.name_aggr.endswith("*") else ""


def gather(facts: Facts, endpoint: Endpoint) -> Evidence:
    """The facts that bear on an endpoint, of all times that the facts remember."""
    kind = kind_of(endpoint)
    if kind == "hep":
        return Evidence(host_endpoints=_host_endpoints(facts, endpoint))
    if not endpoint.namespace:
        return Evidence()
    pods = _pods(facts, endpoint) if kind == "wep" else []
    accounts = {version.fact.service_account for version in pods}
    accounts.add((labels_of(endpoint.labels) or {}).get(SERVICE_ACCOUNT, ""))
    return Evidence(
        pods,
        [],
        facts.namespaces.alive(endpoint.namespace),
        {name: facts.service_accounts.alive((endpoint.namespace, name)) for name in accounts},
    )


def identify(
    endpoint: Endpoint,
    evidence: Evidence,
    sets: Mapping[tuple[str, str], NetworkSet],
    start: float,
    end: float,
) -> Who:
    """Who an endpoint was in [start, end] (epoch seconds): DESIGN.md §4, Who is who."""
    match kind_of(endpoint):
        case "wep":
            return _workload(endpoint, evidence, start, end)
        case "hep":
            return _host(endpoint, evidence, start, end)
        case "ns":
            return _network_set(endpoint, evidence, sets, start, end)
        case "net":
            return _network(endpoint)
        case _:
            return _unknown(endpoint, evidence, start, end)


def labels_of(raw: bytes | None) -> dict[str, str] | None:
    """The labels of a record: `{"labels": ["key=value", ...]}` or the list alone; None where it has
    none that can be read."""
    try:
        listed = msgspec.json.decode(raw or b"null")
        listed = listed.get("labels") if isinstance(listed, dict) else listed
        return (
            None
            if listed is None
            else {key: value for key, _, value in (text.partition("=") for text in listed)}
        )
    except (msgspec.MsgspecError, UnicodeDecodeError, AttributeError, TypeError):
        return None


def namespace_options(
    name: str, versions: Iterable[Version[Namespace]], start: float, end: float
) -> list[_Inherited]:
    """What a namespace's endpoints inherit within [start, end], one for each way it was."""
    own = {"pcns.projectcalico.org/name": name, "pcns.kubernetes.io/metadata.name": name}
    return _options("pcns.", name, versions, _Inherited(own, ("pcns.",), ("namespace",)), start, end)


def _account_options(name: str | None, evidence: Evidence, start: float, end: float) -> list[_Inherited]:
    """The same of a service account; "" = the pod has none, None = nobody knows which."""
    if name is None:
        return [_Inherited({}, (SERVICE_ACCOUNT, "pcsa."), ("service_account",))]
    if not name:
        return [_Inherited({})]
    unknown = _Inherited({"pcsa.projectcalico.org/name": name}, ("pcsa.",), ("service_account",))
    return _options("pcsa.", name, evidence.service_accounts.get(name, ()), unknown, start, end)


def _options(
    prefix: str, name: str, versions: Iterable[Version[Any]], unknown: _Inherited, start: float, end: float
) -> list[_Inherited]:
    held = alive(versions, start, end)
    options: list[_Inherited] = []
    for version in held:
        labels = {prefix + key: value for key, value in version.fact.labels.items()}
        option = _Inherited(labels | {f"{prefix}projectcalico.org/name": name})
        if option not in options:
            options.append(option)
    # What was before the first version within the interval nobody knows.
    return options if any(version.since <= start for version in held) else [*options, unknown]


def _inherited(
    namespace: str, account: str | None, evidence: Evidence, start: float, end: float
) -> list[_Inherited]:
    """The ways in which both may have been."""
    return [
        _Inherited({**ns.labels, **sa.labels}, ns.open + sa.open, ns.missing + sa.missing)
        for ns in namespace_options(namespace, evidence.namespaces, start, end)
        for sa in _account_options(account, evidence, start, end)
    ]


def _single(endpoint: Endpoint) -> str:
    """The full name of the one endpoint that a record is of, "" if it is of several."""
    return endpoint.name or ("" if endpoint.name_aggr.endswith("*") else endpoint.name_aggr)


def _pods(facts: Facts, endpoint: Endpoint) -> list[Version[Pod]]:
    """The pods that a record may mean by their names, and by the address where it tells one."""
    namespace, name = endpoint.namespace, _single(endpoint)
    prefix = endpoint.name_aggr.removesuffix("*")
    if name:
        named = [version for version in facts.pods_named(namespace, name) if not version.fact.host_network]
        return [version for version in named if endpoint.ip in version.fact.ips] or named
    if not endpoint.ip:
        return facts.pods_with_prefix(namespace, prefix)
    there = facts.pods_at(endpoint.ip)
    held = [v for v in there if v.fact.namespace == namespace and v.fact.generate_name == prefix]
    return held or [v for v in facts.pods_with_prefix(namespace, prefix) if not v.fact.ips]


def _workload(endpoint: Endpoint, evidence: Evidence, start: float, end: float) -> Who:
    listed = labels_of(endpoint.labels)
    found = _Found(networks_of((endpoint.ip,)))
    held = alive(evidence.pods, start, end)
    for alike in _alike(held):
        labels = _own_labels(alike[0].fact)
        if all(labels.get(key) == value for key, value in (listed or {}).items() if _own(key)):
            for version, options in _inheritances(alike, evidence, start, end):
                for option in options:
                    found.add(_pod_identity(version.fact, labels, option), version.fact.ips, option.missing)
    if not found.identities or any(_begun_unseen(version, held, start) for version in held):
        _add_recorded(found, endpoint, listed, evidence, start, end)
    return found.who("pod")


def _own(key: str) -> bool:
    return not key.startswith(INHERITED)


def _begun_unseen(version: Version[Pod], held: list[Version[Pod]], start: float) -> bool:
    """Whether the pod lived on within the interval before what is known of it: a compacted topic
    keeps only the newest version of a pod whose labels were changed."""
    created = version.fact.created
    if created is None or version.since <= max(created, start):
        return False
    return not any(v.fact.uid == version.fact.uid and v.until == version.since for v in held)


def _alike(versions: Iterable[Version[Pod]]) -> Iterable[list[Version[Pod]]]:
    """Pods that selectors and named ports cannot tell apart but by address; the labels and ports
    that pods have in common are one object (`Facts`)."""
    groups: dict[tuple[int, int, str], list[Version[Pod]]] = {}
    for version in versions:
        pod = version.fact
        groups.setdefault((id(pod.labels), id(pod.ports), pod.service_account), []).append(version)
    return groups.values()


def _inheritances(
    alike: list[Version[Pod]], evidence: Evidence, start: float, end: float
) -> Iterable[tuple[Version[Pod], list[_Inherited]]]:
    """Each pod with what it may have inherited while it lived within [start, end]."""
    pod = alike[0].fact
    options = _inherited(pod.namespace, pod.service_account, evidence, start, end)
    for version in alike:
        if len(options) > 1:
            life = max(start, version.since), min(end, version.until)
            yield version, _inherited(pod.namespace, pod.service_account, evidence, *life)
        else:
            yield version, options


def _own_labels(pod: Pod) -> dict[str, str]:
    """What Calico puts on a pod's workload endpoint (CALICO.md §2.6)."""
    labels = {key: value for key, value in pod.labels.items() if not key.startswith(INHERITED)}
    labels |= {NAMESPACE: pod.namespace, ORCHESTRATOR: "k8s"}
    return labels | ({SERVICE_ACCOUNT: pod.service_account} if pod.service_account else {})


def _pod_identity(pod: Pod, labels: dict[str, str], inherited: _Inherited) -> Identity:
    return Identity(
        "wep",
        _sorted(inherited.labels | labels),
        tuple(sorted(NamedPort(*port) for port in pod.ports)),
        _profiles(pod.namespace, pod.service_account),
        inherited.open,
    )


def _add_recorded(
    found: _Found,
    endpoint: Endpoint,
    listed: Mapping[str, str] | None,
    evidence: Evidence,
    start: float,
    end: float,
) -> None:
    """A pod that the facts do not know: those labels that the record lists are there. They are an
    intersection over the interval, and all of them only where the record is of one pod; even then
    Calico leaves out `projectcalico.org/*` (CALICO.md §6)."""
    account = (listed or {}).get(SERVICE_ACCOUNT)
    whole = listed is not None and bool(_single(endpoint))
    own = {key: value for key, value in (listed or {}).items() if _own(key)}
    own |= {NAMESPACE: endpoint.namespace, ORCHESTRATOR: "k8s"}
    for option in _inherited(endpoint.namespace, account, evidence, start, end):
        identity = Identity(
            "wep",
            _sorted(option.labels | own),
            profiles=_profiles(endpoint.namespace, account or ""),
            open_prefixes=("projectcalico.org/", *option.open) if whole else ("",),
            open_ports=True,
            closed_prefixes=() if whole else tuple(p for p in INHERITED if p not in option.open),
        )
        found.add(identity, (), (*option.missing, "named_ports", *(() if whole else ("labels",))))


def _profiles(namespace: str, account: str) -> tuple[str, ...]:
    return (f"kns.{namespace}", *([f"ksa.{namespace}.{account}"] if account else ()))


def _host_endpoints(facts: Facts, endpoint: Endpoint) -> list[Version[HostEndpoint]]:
    """By name; an aggregated record has the node's name only (CALICO.md §6)."""
    found = facts.host_endpoints(endpoint.name, "") if endpoint.name else []
    found = found or facts.host_endpoints("", endpoint.name_aggr)
    return [version for version in found if endpoint.ip in version.fact.ips] or found


def _host(endpoint: Endpoint, evidence: Evidence, start: float, end: float) -> Who:
    found = _Found(networks_of((endpoint.ip,)))
    for version in alive(evidence.host_endpoints, start, end):
        host = version.fact
        ports = tuple(sorted(NamedPort(*port) for port in host.ports))
        found.add(Identity("hep", _sorted(host.labels), ports), host.ips)
    if not found.identities:
        labels = _sorted(labels_of(endpoint.labels) or {})
        identity = Identity("hep", labels, open_prefixes=("",), open_ports=True, closed_prefixes=INHERITED)
        found.add(identity, (), ("host_endpoint",))
    return found.who("host_endpoint")


def _network_set(
    endpoint: Endpoint,
    evidence: Evidence,
    sets: Mapping[tuple[str, str], NetworkSet],
    start: float,
    end: float,
) -> Who:
    """An address within a set is in every set that contains it, so it needs no identity; a set that
    the revision does not have is what the record says of it."""
    address = networks_of((endpoint.ip,))
    known = sets.get((endpoint.namespace, endpoint.name or endpoint.name_aggr))
    if known:
        return _who([Candidate(None, address or ordered(known.nets))])
    found = _Found(address)
    own = labels_of(endpoint.labels) or {}
    options = [_Inherited({})]
    if endpoint.namespace:
        own |= {NAMESPACE: endpoint.namespace}
        options = namespace_options(endpoint.namespace, evidence.namespaces, start, end)
    for option in options:
        closed = tuple(prefix for prefix in (*INHERITED, NAMESPACE) if prefix not in option.open)
        labels = _sorted(option.labels | own)
        identity = Identity("ns", labels, open_prefixes=("",), closed_prefixes=closed)
        found.add(identity, (), (*option.missing, "network_set"))
    return found.who("network_set")


def _network(endpoint: Endpoint) -> Who:
    """A plain address; without it, one of its region that was in no set that the node knew."""
    address = networks_of((endpoint.ip,))
    return _who([Candidate(None, address or REGIONS.get(endpoint.name_aggr, ()), outside_sets=not address)])


def _unknown(endpoint: Endpoint, evidence: Evidence, start: float, end: float) -> Who:
    """A record that does not say what its endpoint is: no endpoint, or a workload of its namespace."""
    found = _Found(networks_of((endpoint.ip,)))
    if endpoint.namespace:
        _add_recorded(found, endpoint, labels_of(endpoint.labels), evidence, start, end)
    recorded = found.who("pod")
    plain = Candidate(None, found.address)
    return _who([plain, *recorded.candidates], {*recorded.missing, "type"})


def _who(candidates: Iterable[Candidate], missing: Iterable[str] = ()) -> Who:
    """In an order that depends on the candidates alone."""
    ranked = tuple(sorted(candidates, key=repr))
    exact = all(
        len(c.addresses) == 1 and c.addresses[0].prefixlen == c.addresses[0].max_prefixlen for c in ranked
    )
    return Who(ranked, tuple(sorted({*missing, *(() if exact else ("ip",))})))


def _sorted(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted(labels.items()))

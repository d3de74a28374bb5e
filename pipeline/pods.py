"""Which pods a record may mean."""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from pipeline.addresses import networks_of
from pipeline.candidates import Found, Who, sorted_labels
from pipeline.evidence import (
    CALICO,
    NAMESPACE,
    ORCHESTRATOR,
    SERVICE_ACCOUNT,
    Evidence,
    labels_of,
    single_name,
)
from pipeline.facts import Version, alive
from pipeline.flow import Endpoint
from pipeline.identity import Identity, NamedPort
from pipeline.inherited import INHERITED, Inherited, inherited
from pipeline.policy.facts_resources import Pod


def possible_pods(endpoint: Endpoint, evidence: Evidence, start: float, end: float) -> Who:
    """The pods known by the record's name that lived within [start, end] and have every label that
    it lists; where there is none, what the record itself tells of a pod."""
    listed = labels_of(endpoint.labels)
    found = Found(networks_of((endpoint.ip,)))
    held = alive(evidence.pods, start, end)
    for alike in _alike(held):
        labels = own_labels(alike[0].fact)
        if all(labels.get(key) == value for key, value in (listed or {}).items() if _is_own(key)):
            for versions, options in _inheritances(alike, evidence, start, end):
                for option in options:
                    identity = _pod_identity(alike[0].fact, labels, option)
                    found.add(identity, _ips(versions), option.missing)
    if not found.identities or any(_begun_unseen(version, held, start) for version in held):
        add_recorded_pod(found, endpoint, listed, evidence, start, end)
    return found.who("pod")


def _is_own(key: str) -> bool:
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
) -> Iterable[tuple[list[Version[Pod]], list[Inherited]]]:
    """Pods with what they may have inherited while they lived within [start, end]."""
    pod = alike[0].fact
    options = inherited(pod.namespace, pod.service_account, evidence, start, end)
    if len(options) == 1:
        yield alike, options
        return
    for version in alike:
        life = max(start, version.since), min(end, version.until)
        yield [version], inherited(pod.namespace, pod.service_account, evidence, *life)


def _ips(versions: list[Version[Pod]]) -> list[str]:
    """The addresses of pods; none where one of them has none yet, which may be any then."""
    if any(not version.fact.ips for version in versions):
        return []
    return [ip for version in versions for ip in version.fact.ips]


def own_labels(pod: Pod) -> dict[str, str]:
    """What Calico puts on a pod's workload endpoint (CALICO.md §2.6)."""
    labels = {key: value for key, value in pod.labels.items() if not key.startswith(INHERITED)}
    labels |= {NAMESPACE: pod.namespace, ORCHESTRATOR: "k8s"}
    return labels | ({SERVICE_ACCOUNT: pod.service_account} if pod.service_account else {})


def _pod_identity(pod: Pod, labels: dict[str, str], option: Inherited) -> Identity:
    return Identity(
        "wep",
        sorted_labels(option.labels | labels),
        _named_ports(pod.ports),
        _profiles(pod.namespace, pod.service_account),
        option.open,
    )


def add_recorded_pod(
    found: Found,
    endpoint: Endpoint,
    listed: Mapping[str, str] | None,
    evidence: Evidence,
    start: float,
    end: float,
) -> None:
    """A pod that the facts do not know: those labels that the record lists are there. They are an
    intersection over the interval, and all of them only where the record is of one pod; even then
    Calico mostly leaves out `projectcalico.org/*` (CALICO.md §6)."""
    account = (listed or {}).get(SERVICE_ACCOUNT)
    whole = listed is not None and bool(single_name(endpoint))
    own = {key: value for key, value in (listed or {}).items() if _is_own(key)}
    left_out = () if any(key.startswith(CALICO) for key in own) else (CALICO,)
    own |= {NAMESPACE: endpoint.namespace, ORCHESTRATOR: "k8s"}
    for option in inherited(endpoint.namespace, account, evidence, start, end):
        identity = Identity(
            "wep",
            sorted_labels(option.labels | own),
            profiles=_profiles(endpoint.namespace, account or ""),
            open_prefixes=(*left_out, *option.open) if whole else ("",),
            open_ports=True,
            closed_prefixes=() if whole else tuple(p for p in INHERITED if p not in option.open),
        )
        found.add(identity, lacks=(*option.missing, "named_ports", *(() if whole else ("labels",))))


@lru_cache(maxsize=1 << 12)
def _named_ports(ports: tuple[tuple[str, int, int], ...]) -> tuple[NamedPort, ...]:
    return tuple(sorted(NamedPort(*port) for port in ports))


@lru_cache(maxsize=1 << 14)
def _profiles(namespace: str, account: str) -> tuple[str, ...]:
    return (f"kns.{namespace}", *([f"ksa.{namespace}.{account}"] if account else ()))

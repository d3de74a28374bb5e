"""What a record's endpoint says of itself, and all that the facts know of whom it may mean."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import msgspec

from pipeline.addresses import REGIONS
from pipeline.facts import Facts, Version
from pipeline.flow import Endpoint
from pipeline.policy.facts_resources import HostEndpoint, Namespace, Pod, ServiceAccount

CALICO = "projectcalico.org/"
NAMESPACE = "projectcalico.org/namespace"
ORCHESTRATOR = "projectcalico.org/orchestrator"
SERVICE_ACCOUNT = "projectcalico.org/serviceaccount"


class _Labels(msgspec.Struct):
    labels: list[str] | None = None


_LABELS = msgspec.json.Decoder(_Labels | None)


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


def kind_of(endpoint: Endpoint) -> str:
    """The endpoint's type; where the record does not say, as far as its aggregated name does.
    "" = nobody can say."""
    if not endpoint.type and endpoint.name_aggr in REGIONS:
        return "net"
    generated = not endpoint.type and endpoint.name_aggr.endswith("*")
    if generated or endpoint.type == "wep":
        return "wep" if endpoint.namespace else ""
    return endpoint.type


def single_name(endpoint: Endpoint) -> str:
    """The full name of the one endpoint that a record is of, "" if it is of several."""
    return endpoint.name or ("" if endpoint.name_aggr.endswith("*") else endpoint.name_aggr)


def labels_of(raw: bytes | None) -> dict[str, str] | None:
    """The labels of a record, `{"labels": ["key=value", ...]}`; None where none can be read."""
    try:
        listed = _LABELS.decode(raw or b"null")
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if listed is None or listed.labels is None:
        return None
    return {key: value for key, _, value in (text.partition("=") for text in listed.labels)}


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


def _pods(facts: Facts, endpoint: Endpoint) -> list[Version[Pod]]:
    """The pods that a record may mean by their names, and by the address where it tells one."""
    namespace, name = endpoint.namespace, single_name(endpoint)
    prefix = endpoint.name_aggr.removesuffix("*")
    if name:
        named = [version for version in facts.pods_named(namespace, name) if not version.fact.host_network]
        return [version for version in named if endpoint.ip in version.fact.ips] or named
    if not endpoint.ip:
        return facts.pods_with_prefix(namespace, prefix)
    there = facts.pods_at(endpoint.ip)
    held = [v for v in there if v.fact.namespace == namespace and v.fact.generate_name == prefix]
    return held or [v for v in facts.pods_with_prefix(namespace, prefix) if not v.fact.ips]


def _host_endpoints(facts: Facts, endpoint: Endpoint) -> list[Version[HostEndpoint]]:
    """By name; an aggregated record has the node's name only (CALICO.md §6)."""
    found = facts.host_endpoints(endpoint.name, "") if endpoint.name else []
    found = found or facts.host_endpoints("", endpoint.name_aggr)
    return [version for version in found if endpoint.ip in version.fact.ips] or found

"""Calico's own answers: the 240 policy sets x 20 flows, in the forms that the evaluators take."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import orjson

from pipeline.identity import Identity, Labels, NamedPort, Slice
from pipeline.match.reference import CompleteFlow, LabelledSet, Party
from pipeline.policy.load import load_texts
from pipeline.policy.policies import Address, Direction, NetworkSet, Policies
from pipeline.policy.revision import to_policies

DATA = Path(__file__).parent / "data" / "oracle_cases.jsonl.gz"
PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
NAMESPACE = "projectcalico.org/namespace"


@dataclass(frozen=True, slots=True)
class Expected:
    """What Calico decided and logged at one side."""

    enforced: str
    enforced_trace: tuple[str, ...]
    pending: str
    pending_trace: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OracleFlow:
    flow: CompleteFlow
    expected: Mapping[Direction, Expected]


@dataclass(frozen=True, slots=True)
class OracleCase:
    """One policy set with its flows; `sets[i]` is `policies.network_sets[i]` with all its labels."""

    id: str
    policies: Policies
    sets: tuple[LabelledSet, ...]
    slices: tuple[Slice, ...]
    identities: Mapping[Address, Identity]
    flows: tuple[OracleFlow, ...]


@cache
def cases() -> tuple[OracleCase, ...]:
    """All sets, in the order of the file."""
    with gzip.open(DATA) as lines:
        return tuple(_case(orjson.loads(line)) for line in lines)


def documents_of(raw: dict[str, Any]) -> list[dict[str, Any]]:
    """The manifests of a set, without exceptions that lie outside of their network: they leave nothing out.
    Calico's evaluator, which was asked, takes them; Kubernetes' API and we refuse them."""
    documents: list[dict[str, Any]] = raw["tiers"] + raw["policies"] + raw["networkSets"]
    for document in documents:
        for rule in (rule for way in ("ingress", "egress") for rule in document["spec"].get(way) or ()):
            for block in (peer.get("ipBlock") for way in ("from", "to") for peer in rule.get(way) or ()):
                if block and "except" in block:
                    net = ip_network(block["cidr"])
                    block["except"] = [each for each in block["except"] if ip_network(each).overlaps(net)]
    return documents


def _case(raw: dict[str, Any]) -> OracleCase:
    documents = documents_of(raw)
    loaded = load_texts((f"{raw['id']}/{number}", orjson.dumps(doc)) for number, doc in enumerate(documents))
    loaded.require()
    policies = to_policies(loaded)
    profiles = _profile_labels(raw)
    identities = {
        ip_address(ip): _identity(endpoint, profiles)
        for endpoint in raw["endpoints"]
        for ip in endpoint["ips"]
    }
    return OracleCase(
        id=raw["id"],
        policies=policies,
        sets=tuple(_labelled(known, profiles) for known in policies.network_sets),
        slices=tuple(map(_slice, raw["endpointSlices"])),
        identities=identities,
        flows=tuple(_flow(flow, identities) for flow in raw["flows"]),
    )


def _profile_labels(raw: dict[str, Any]) -> dict[str, dict[str, str]]:
    """What endpoints and sets inherit, by profile (CALICO.md §2.6)."""
    namespaces = {f"kns.{ns['name']}": _inherited("pcns.", ns) for ns in raw["namespaces"]}
    accounts = {
        f"ksa.{sa['namespace']}.{sa['name']}": _inherited("pcsa.", sa) for sa in raw["serviceAccounts"]
    }
    return namespaces | accounts


def _inherited(prefix: str, resource: dict[str, Any]) -> dict[str, str]:
    labels = resource["labels"] | {"projectcalico.org/name": resource["name"]}
    return {prefix + key: value for key, value in labels.items()}


def _identity(endpoint: dict[str, Any], profiles: Mapping[str, dict[str, str]]) -> Identity:
    if endpoint["kind"] == "hep":
        return Identity("hep", _sorted(endpoint["labels"]))
    own = endpoint["labels"] | {
        NAMESPACE: endpoint["namespace"],
        "projectcalico.org/orchestrator": "k8s",
        "projectcalico.org/serviceaccount": endpoint["serviceAccount"],
    }
    inherited: dict[str, str] = {}
    for profile in reversed(endpoint["profiles"]):
        inherited |= profiles[profile]
    ports = tuple(
        NamedPort(p["name"], PROTOCOLS[p["protocol"]], p["port"]) for p in endpoint.get("ports", ())
    )
    return Identity("wep", _sorted(inherited | own), ports, tuple(endpoint["profiles"]))


def _labelled(known: NetworkSet, profiles: Mapping[str, dict[str, str]]) -> LabelledSet:
    inherited = profiles[f"kns.{known.namespace}"] if known.namespace else {}
    return LabelledSet(_sorted(inherited | dict(known.labels)), known.nets, known.domains)


def _slice(raw: dict[str, Any]) -> Slice:
    metadata = raw["metadata"]
    return Slice(
        (metadata["namespace"], metadata["labels"]["kubernetes.io/service-name"]),
        frozenset(ip_network(ip) for endpoint in raw["endpoints"] for ip in endpoint["addresses"]),
        frozenset((PROTOCOLS[port["protocol"]], port["port"]) for port in raw["ports"]),
    )


def _flow(raw: dict[str, Any], identities: Mapping[Address, Identity]) -> OracleFlow:
    source, destination = ip_address(raw["src_ip"]), ip_address(raw["dst_ip"])
    flow = CompleteFlow(
        Party(identities.get(source), source),
        Party(identities.get(destination), destination),
        raw["proto"],
        raw["src_port"],
        raw["dst_port"],
    )
    directions: tuple[Direction, ...] = ("egress", "ingress")
    return OracleFlow(
        flow, {direction: _expected(raw[direction]) for direction in directions if direction in raw}
    )


def _expected(raw: dict[str, Any]) -> Expected:
    return Expected(
        raw["enforced_verdict"],
        tuple(raw["enforced_flowlog_trace"]),
        raw["pending_verdict"],
        tuple(raw["pending_trace"]),
    )


def _sorted(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted(labels.items()))

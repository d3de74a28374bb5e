"""Goldmane's and Whisker's flows, rewritten under Calico's names; what they cannot say stays missing."""

import re
from datetime import datetime
from typing import Any

import msgspec

type Enum = int | str

# Enums of Goldmane's API (CALICO.md §6), by number and by name.
_REPORTERS = {1: "src", 2: "dst", "Src": "src", "Dst": "dst"}
_ACTIONS = {1: "allow", 2: "deny", 3: "pass", "Allow": "allow", "Deny": "deny", "Pass": "pass"}
_TYPES: dict[Enum, str] = {
    1: "wep", 2: "hep", 3: "ns", 4: "net",
    "WorkloadEndpoint": "wep", "HostEndpoint": "hep", "NetworkSet": "ns", "Network": "net",
}  # fmt: skip
_KINDS: dict[Enum, str] = {
    1: "np", 2: "gnp", 3: "snp", 4: "sgnp", 5: "sknp", 6: "knp", 9: "pro", 11: "kcnp",
    "CalicoNetworkPolicy": "np", "GlobalNetworkPolicy": "gnp",
    "StagedNetworkPolicy": "snp", "StagedGlobalNetworkPolicy": "sgnp",
    "StagedKubernetesNetworkPolicy": "sknp", "NetworkPolicy": "knp",
    "ClusterNetworkPolicy": "kcnp", "Profile": "pro",
}  # fmt: skip
_END_OF_TIER = (10, "EndOfTier")
_NETWORKS = {"PUBLIC NETWORK": "pub", "PRIVATE NETWORK": "pvt"}
_NO_NAMESPACE = ("", "-", "Global")


class _Hit(msgspec.Struct, gc=False):
    kind: Enum = 0
    namespace: str | None = None
    name: str | None = None
    tier: str | None = None
    action: Enum = 0
    policy_index: int = 0
    rule_index: int = 0
    trigger: "_Hit | None" = None


class _Trace(msgspec.Struct, gc=False):
    enforced_policies: list[_Hit] | None = None  # Goldmane
    pending_policies: list[_Hit] | None = None
    enforced: list[_Hit] | None = None  # Whisker
    pending: list[_Hit] | None = None


class _Key(msgspec.Struct, gc=False):
    """What names a flow: Goldmane keeps it apart, Whisker beside the rest."""

    reporter: Enum = 0
    action: Enum = 0
    proto: str | None = None
    protocol: str | None = None  # Whisker
    source_name: str = ""
    source_namespace: str = ""
    source_type: Enum = 0
    dest_name: str = ""
    dest_namespace: str = ""
    dest_type: Enum = 0
    dest_port: int = 0
    dest_service_name: str | None = None
    dest_service_namespace: str | None = None
    dest_service_port_name: str | None = None
    dest_service_port: int = 0
    policies: _Trace | None = None


class _Flow(msgspec.Struct, gc=False):
    start_time: int | str | None = None
    end_time: int | str | None = None
    source_labels: list[str] | str | None = None
    dest_labels: list[str] | str | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    packets_in: int | None = None
    packets_out: int | None = None
    num_connections_live: int | None = None
    num_connections_started: int | None = None
    num_connections_completed: int | None = None


def rewrite(line: bytes) -> bytes | None:
    """The flow as Calico's own record, or None where `line` is neither Goldmane's nor Whisker's.

    Raises msgspec.MsgspecError or RecursionError where it is one of them, but broken.
    """
    said = msgspec.json.decode(line)
    said = _snake(said.get("flow", said) if isinstance(said, dict) else said)  # a streamed result has both
    if not isinstance(said, dict) or not ("key" in said or "protocol" in said):
        return None
    key = msgspec.convert(said.get("key", said), _Key, strict=False)  # protobuf's JSON has integers as text
    flow = msgspec.convert(said, _Flow, strict=False)
    return msgspec.json.encode(
        {name: value for name, value in _record(key, flow).items() if value is not None}
    )


def lines(value: bytes) -> list[bytes]:
    """The lines of a message; of server-sent events, as Whisker streams them, those with data."""
    said = value.split(b"\n")
    if not value.startswith((b"data:", *_EVENT_FIELDS)):
        return said
    return [line.removeprefix(b"data:") for line in said if not line.startswith(_EVENT_FIELDS)]


_EVENT_FIELDS = (b"event:", b"id:", b"retry:", b":")


def _snake(value: Any) -> Any:
    """With keys in snake_case: protobuf's own JSON writes sourceName for source_name."""
    if isinstance(value, dict):
        return {_HUMP.sub(r"_\1", key).lower(): _snake(each) for key, each in value.items()}
    return [_snake(each) for each in value] if isinstance(value, list) else value


_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")


def _record(key: _Key, flow: _Flow) -> dict[str, Any]:
    reporter = _REPORTERS.get(key.reporter, key.reporter)
    proto = key.proto or key.protocol
    return {
        "start_time": _seconds(flow.start_time),
        "end_time": _seconds(flow.end_time),
        "reporter": reporter,
        "action": _ACTIONS.get(key.action),
        "proto": proto,
        "source_type": _type(key.source_type, key.source_name, own=reporter == "src"),
        "source_name_aggr": _NETWORKS.get(key.source_name, key.source_name),
        "source_namespace": "-" if key.source_namespace in _NO_NAMESPACE else key.source_namespace,
        "source_labels": _labels(flow.source_labels),
        "dest_type": _type(key.dest_type, key.dest_name, own=reporter == "dst"),
        "dest_name_aggr": _NETWORKS.get(key.dest_name, key.dest_name),
        "dest_namespace": "-" if key.dest_namespace in _NO_NAMESPACE else key.dest_namespace,
        "dest_labels": _labels(flow.dest_labels),
        # 0 is how protobuf leaves a number out; of ICMP it is a type and code (echo reply).
        "dest_port": key.dest_port if key.dest_port or proto == "icmp" else None,
        "dest_service_name": key.dest_service_name,
        "dest_service_namespace": key.dest_service_namespace,
        "dest_service_port": key.dest_service_port_name,
        "dest_service_port_num": key.dest_service_port or None,
        "bytes_in": flow.bytes_in,
        "bytes_out": flow.bytes_out,
        "packets_in": flow.packets_in,
        "packets_out": flow.packets_out,
        "num_flows": flow.num_connections_live,
        "num_flows_started": flow.num_connections_started,
        "num_flows_completed": flow.num_connections_completed,
        "policies": _policies(key.policies),
    }


def _seconds(time: int | str | None) -> int | str | None:
    if not isinstance(time, str):
        return time
    try:
        return int(time) if time.isdecimal() else int(datetime.fromisoformat(time).timestamp())
    except ValueError:
        return time


def _type(said: Enum, name: str, *, own: bool) -> str | None:
    """The endpoint's type; where it is not said, as far as it can only be one: pods alone have names
    with a *, and only workloads report (CALICO.md §5.4, §6)."""
    if name in _NETWORKS:
        return "net"
    return _TYPES.get(said) or ("wep" if own or name.endswith("*") else None)


def _labels(labels: list[str] | str | None) -> dict[str, list[str]] | None:
    """None where there are none: nodes that leave labels out look the same."""
    listed = labels.split(" | ") if isinstance(labels, str) and labels else labels
    return {"labels": list(listed)} if listed else None


def _policies(trace: _Trace | None) -> dict[str, list[str]] | None:
    if trace is None:
        return None
    enforced, pending = trace.enforced_policies or trace.enforced, trace.pending_policies or trace.pending
    hits = {"enforced_policies": enforced, "pending_policies": pending}
    return {name: list(map(_hit, said)) for name, said in hits.items() if said}


def _hit(hit: _Hit) -> str:
    """A hit in the flow log's grammar (CALICO.md §5.1): at the end of a tier, its trigger's policy."""
    policy, rule = (hit.trigger, -1) if hit.kind in _END_OF_TIER and hit.trigger else (hit, hit.rule_index)
    kind = _KINDS.get(policy.kind, str(policy.kind))
    tier = "__PROFILE__" if kind == "pro" else hit.tier
    name = f"{policy.namespace}/{policy.name}" if policy.namespace else policy.name
    return f"{hit.policy_index}|{tier}|{kind}:{name}|{_ACTIONS.get(hit.action)}|{rule}"

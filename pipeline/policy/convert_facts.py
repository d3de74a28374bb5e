"""Kubernetes objects and host endpoints as manifests ▸ plain facts."""

from datetime import datetime

from pipeline.policy import facts_resources as facts
from pipeline.policy import schema_calico as calico
from pipeline.policy import schema_facts as schema
from pipeline.policy.schema_fields import PROTOCOLS

SERVICE_NAME = "kubernetes.io/service-name"
FINISHED = ("Succeeded", "Failed")


def namespace(manifest: schema.Namespace, _: str) -> facts.Namespace:
    """A namespace and its labels."""
    return facts.Namespace(manifest.metadata.name, _labels(manifest))


def service_account(manifest: schema.ServiceAccount, in_namespace: str) -> facts.ServiceAccount:
    """A service account and its labels."""
    return facts.ServiceAccount(in_namespace, manifest.metadata.name, _labels(manifest))


def pod(manifest: schema.Pod, in_namespace: str) -> facts.Pod:
    """A pod; one that has finished lost its addresses when its last container ended."""
    meta, spec, status = manifest.metadata, manifest.spec, manifest.status
    return facts.Pod(
        namespace=in_namespace,
        name=meta.name,
        uid=meta.uid,
        labels=_labels(manifest),
        service_account=spec.service_account_name or "default",
        ips=_addresses(status.pod_ips, status.pod_ip),
        node=spec.node_name or "",
        host_ips=_addresses(status.host_ips, status.host_ip),
        host_network=bool(spec.host_network),
        ports=tuple(_ports(spec)),
        created=_seconds(meta.creation_timestamp),
        deleted=_seconds(meta.deletion_timestamp) or _finished(status),
        generate_name=meta.generate_name or "",
    )


def _ports(spec: schema.PodSpec) -> list[tuple[str, int, int]]:
    return [
        (port.name, PROTOCOLS[port.protocol], port.container_port)
        for container in [*spec.containers, *(spec.init_containers or [])]
        for port in container.ports or []
        if port.name
    ]


def _addresses(several: list[schema.PodIp] | None, one: str | None) -> tuple[str, ...]:
    return tuple(item.ip for item in several) if several else (one,) if one else ()


def _finished(status: schema.PodStatus) -> float | None:
    if status.phase not in FINISHED:
        return None
    states = [container.state for container in status.container_statuses or []]
    ends = [state.terminated.finished_at for state in states if state and state.terminated]
    return max((_seconds(end) or 0.0 for end in ends), default=None) or None


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def host_endpoint(manifest: calico.HostEndpoint, _: str) -> facts.HostEndpoint:
    """A host endpoint and the ports it names."""
    spec = manifest.spec
    return facts.HostEndpoint(
        name=manifest.metadata.name,
        node=spec.node,
        labels=dict(manifest.metadata.labels or {}),
        ips=tuple(spec.expected_ips),
        ports=tuple((port.name, port.protocol.number, port.port) for port in spec.ports),
        interface=spec.interface_name,
    )


def endpoint_slice(manifest: schema.EndpointSlice, in_namespace: str) -> facts.EndpointSlice:
    """The addresses and ports behind a service; as in Felix, a port without a number is no member, and
    neither is an address that is a name."""
    endpoints = manifest.endpoints or [] if manifest.address_type != "FQDN" else []
    return facts.EndpointSlice(
        namespace=in_namespace,
        name=manifest.metadata.name,
        service=_labels(manifest).get(SERVICE_NAME, ""),
        addresses=tuple(address for item in endpoints for address in item.addresses),
        ports=tuple(
            (PROTOCOLS[port.protocol], port.port) for port in manifest.ports or [] if port.port is not None
        ),
    )


def _labels(manifest: schema.Fact) -> dict[str, str]:
    return dict(manifest.metadata.labels or {})

"""A cluster with very many policies: their revision as it stands on the topic, its pods, their flows."""

import time
from collections.abc import Iterator
from typing import Any

import orjson

from pipeline import revisions
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.policy.facts_resources import Namespace, Pod, ServiceAccount
from pipeline.revisions import Revision

POLICIES, NAMESPACES, PODS = 10_000, 500, 20_000
TIERS = ("security", "platform", "default")


def resources(policies: int = POLICIES) -> dict[str, bytes]:
    """Policies of three rules each by their keys, a tenth of them staged; each has a selector that no other
    has, and so does one of its rules."""
    tiers = {f"Tier//{name}": _tier(name, order) for order, name in enumerate(TIERS[:-1])}
    return tiers | dict(map(resource, range(policies)))


def resource(number: int, port: int = 8080) -> tuple[str, bytes]:
    """One policy, with a port that may be changed."""
    kind = "StagedNetworkPolicy" if number % 10 == 0 else "NetworkPolicy"
    namespace, tier = f"ns-{number % NAMESPACES}", TIERS[number % len(TIERS)]
    name = f"policy-{number}" if tier == "default" else f"{tier}.policy-{number}"
    peer = {"selector": f"app == 'app-{number}' && role in {{'web', 'api'}}"}
    far = {"namespaceSelector": f"team == 'team-{number % 50}'", "selector": "role == 'web'"}
    spec: dict[str, Any] = {
        "tier": tier,
        "order": number % 100,
        "selector": f"app == 'app-{number}'",
        "types": ["Ingress", "Egress"],
        "ingress": [
            {"action": "Allow", "protocol": "TCP", "source": peer, "destination": {"ports": [port]}},
            {"action": "Allow", "protocol": "TCP", "source": far, "destination": {"ports": ["8000:8100"]}},
        ],
        "egress": [{"action": "Allow", "protocol": "UDP", "destination": {"nets": [_net(number)]}}],
    }
    document = {
        "apiVersion": "projectcalico.org/v3",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }
    return f"{kind}/{namespace}/{name}", orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def record(of: dict[str, bytes]) -> bytes:
    """The revision record that ends their publish."""
    content = revisions.content_hash(of)
    return revisions.encode(
        Revision(
            revision=content[:16],
            content=content,
            resources=len(of),
            source="benchmark",
            commit=None,
            published=time.time(),
        )
    )


def facts(pods: int = PODS) -> Facts:
    """The pods, their namespaces and service accounts, all there since ever."""
    names = [f"ns-{number}" for number in range(NAMESPACES)]
    known = Facts.from_resources(Namespace(name, {"team": f"team-{n % 50}"}) for n, name in enumerate(names))
    for name in names:
        known.put(ServiceAccount(name, "default"), 0)
    for number in range(pods):
        known.put(_fact(number), 0)
    return known


def messages(flows: int, pods: int = PODS, each: int = 500) -> list[Message]:
    """Flows between the pods, many a message."""
    lines = list(_flows(flows, pods))
    return [Message(b"\n".join(lines[n : n + each]), "flows", 0, n, 0) for n in range(0, flows, each)]


def _flows(count: int, pods: int) -> Iterator[bytes]:
    for number in range(count):
        flow = {
            "start_time": 1_768_900_000,
            "end_time": 1_768_900_300,
            "reporter": "dst" if number % 2 else "src",
            "action": "allow",
            "proto": "tcp",
            "host": f"node-{number % 100}",
            "source_port": 1024 + number % 50_000,
            "dest_port": 8080,
            **dict.fromkeys(("bytes_in", "bytes_out", "packets_in", "packets_out", "num_flows"), 1),
        }
        yield orjson.dumps(
            flow | _pod("source", number * 7919 % pods) | _pod("dest", number * 104_729 % pods)
        )


def _pod(side: str, number: int) -> dict[str, Any]:
    pod = _fact(number)
    return {
        f"{side}_type": "wep",
        f"{side}_namespace": pod.namespace,
        f"{side}_name": pod.name,
        f"{side}_name_aggr": f"{pod.generate_name}*",
        f"{side}_ip": pod.ips[0],
        f"{side}_labels": {"labels": [f"{key}={value}" for key, value in pod.labels.items()]},
    }


def _fact(number: int) -> Pod:
    """No two pods have the same labels; of the first ones, each is selected by a policy of its own."""
    return Pod(
        f"ns-{number % NAMESPACES}",
        f"app-{number}-0",
        uid=str(number),
        labels={"app": f"app-{number}", "role": ("web", "api")[number % 2]},
        ips=(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",),
        generate_name=f"app-{number}-",
    )


def _tier(name: str, order: int) -> bytes:
    document = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "Tier",
        "metadata": {"name": name},
        "spec": {"order": order, "defaultAction": "Pass"},
    }
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def _net(number: int) -> str:
    return f"172.{number >> 12 & 15}.{number >> 4 & 255}.{(number & 15) * 16}/28"

"""A large cluster: 500 namespaces of 200 pods, no two alike, and 10,000 policies over what they carry."""

from collections.abc import Iterator
from typing import Any

import orjson

from pipeline import facts_records
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.policy.facts_resources import Fact, Namespace, Pod, ServiceAccount
from pipeline.policy.load import load_texts
from pipeline.policy.policies import Policies
from pipeline.policy.revision import to_policies

NAMESPACES, APPS, REPLICAS = 500, 20, 10  # of an app in a namespace
PODS, POLICIES = NAMESPACES * APPS * REPLICAS, 10_000
TIERS = ("security", "platform", "application", "default")
COMPONENTS, ENVS, TEAMS, SUITES, ZONES = ("web", "api", "db", "cache"), ("prod", "stage", "dev"), 50, 40, 6
START = 1_768_900_000

type Document = dict[str, Any]


def app_of(namespace: int, app: int) -> str:
    return f"app-{(namespace * 7 + app) % 400}"


def pod(number: int) -> Pod:
    """A pod of a StatefulSet: its name is a label of its own."""
    namespace, app, replica = number % NAMESPACES, number // NAMESPACES % APPS, number // NAMESPACES // APPS
    name = app_of(namespace, app)
    return Pod(
        f"ns-{namespace}",
        f"{name}-{replica}",
        uid=f"00000000-0000-4000-8000-{number:012}",
        labels={
            "app": name,
            "version": f"v{replica % 3}",
            "component": COMPONENTS[app % 4],
            "zone": f"zone-{(namespace + app + replica) % ZONES}",
            "app.kubernetes.io/part-of": f"suite-{namespace % SUITES}",
            "controller-revision-hash": f"{name}-5f7d8{replica % 3}",
            "apps.kubernetes.io/pod-index": str(replica),
            "statefulset.kubernetes.io/pod-name": f"{name}-{replica}",
        },
        service_account=name,
        ips=(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",),
        node=f"node-{number % 1000}",
        host_ips=(f"192.168.{number % 1000 >> 8}.{number % 256}",),
        ports=(("http", 6, 8080), ("metrics", 6, 9090)),
        created=START - 86_400.0,
        generate_name=f"{name}-",
    )


def _facts() -> Iterator[Fact]:
    for n in range(NAMESPACES):
        labels = {"env": ENVS[n % 3], "team": f"team-{n % TEAMS}", "kubernetes.io/metadata.name": f"ns-{n}"}
        yield Namespace(f"ns-{n}", labels)
        yield from (ServiceAccount(f"ns-{n}", app_of(n, app), {"role": f"r{app % 3}"}) for app in range(APPS))
    yield from map(pod, range(PODS))


def facts() -> Facts:
    """All facts, taken over from records as they stand on the topic."""
    known = Facts()
    for fact in _facts():
        facts_records.follow(known, *facts_records.encode(fact), START)
    return known


def policies(shape: str) -> Policies:
    """10,000 policies of 3 rules in each direction, a tenth of them staged, half of these in the place of
    an enforced one, with 20,000 distinct selectors; read from manifests as they stand on the topic."""
    tiers = [
        {
            "apiVersion": "projectcalico.org/v3",
            "kind": "Tier",
            "metadata": {"name": name},
            "spec": {"order": order, "defaultAction": "Pass"},
        }
        for order, name in enumerate(TIERS[:-1])
    ]
    documents = [*tiers, *map(SHAPES[shape], range(POLICIES))]
    loaded = load_texts((f"{shape}-{n}", orjson.dumps(document)) for n, document in enumerate(documents))
    loaded.require()
    return to_policies(loaded)


def _namespaced(number: int) -> Document:
    """What most clusters have: a policy for each app of a namespace, and a tenth cluster-wide."""
    if number >= NAMESPACES * 18:
        return _guardrail(number - NAMESPACES * 18)
    namespace, app = number // 18, number % 18
    own = f"app == '{app_of(namespace, app)}'"
    other = (namespace * 13 + app % 3) % NAMESPACES
    friend = {"selector": f"app == '{app_of(namespace, (app + 1) % APPS)}'"}
    stranger = {
        "namespaceSelector": f"kubernetes.io/metadata.name == 'ns-{other}'",
        "selector": f"component == '{COMPONENTS[app % 4]}'",
    }
    team = {"namespaceSelector": f"team == 'team-{number % TEAMS}' && env == 'prod'"}
    rules = {
        "ingress": [
            _rule("Allow", 8080, source=friend),
            _rule("Allow", 8443, source=stranger),
            _rule("Allow", 9090, source=team),
        ],
        "egress": [
            _rule("Allow", 8080, destination=friend),
            _rule("Allow", 8443, destination=stranger),
            {"action": "Allow", "destination": {"nets": ["10.0.0.0/8"]}},
        ],
    }
    spec = {"selector": own, "tier": TIERS[2 + (number + 1) // 2 % 2]}
    return _policy("NetworkPolicy", f"ns-{namespace}", number, spec | rules)


def _guardrail(number: int) -> Document:
    """A policy for a part of all namespaces; one in fifty is for every pod."""
    parts = (
        f"app.kubernetes.io/part-of == 'suite-{number % SUITES}'",
        f"component == '{COMPONENTS[number % 4]}' && zone == 'zone-{number % ZONES}'",
        f"app in {{'app-{number % 400}', 'app-{number * 3 % 400}'}}",
    )
    peer = {
        "namespaceSelector": f"team in {{'team-{number % TEAMS}', 'team-{number // TEAMS}'}}",
        "selector": f"version == 'v{number % 3}' && zone != 'zone-{number % ZONES}'",
    }
    spec = {
        "selector": "all()" if number % 50 == 0 else parts[number % 3],
        "namespaceSelector": f"env == '{ENVS[number % 3]}'",
        "tier": TIERS[number % 2],
    }
    return _policy("GlobalNetworkPolicy", "", number, spec | _forbidding(number, peer, peer, peer))


def _cluster_wide(number: int) -> Document:
    """The worst that 10,000 policies can be: every one selects every pod, and only the last allows."""
    peers = [
        {
            "selector": f"app == 'app-{place % 400}'",
            "namespaceSelector": f"team != 'team-{place // 400 % TEAMS}'",
        }
        for place in range(number * 3, number * 3 + 3)
    ]
    spec = {"selector": "has(app)", "tier": TIERS[number * len(TIERS) // POLICIES]}
    rules = _forbidding(number, *peers)
    if number == POLICIES - 1:
        for direction in ("ingress", "egress"):
            rules[direction][-1] = {"action": "Allow"}
    return _policy("GlobalNetworkPolicy", "", number, spec | rules)


def _forbidding(number: int, *peers: Document) -> Document:
    port = 20_000 + number % 500
    return {
        "ingress": [_rule("Deny", port, source=peer) for peer in peers],
        "egress": [_rule("Deny", port, destination=peer) for peer in peers],
    }


SHAPES = {"namespaced": _namespaced, "cluster-wide": _cluster_wide}


def _rule(action: str, port: int, **peers: Document) -> Document:
    destination = peers.get("destination", {}) | {"ports": [port]}
    return {"action": action, "protocol": "TCP", **peers, "destination": destination}


def _policy(kind: str, namespace: str, number: int, spec: Document) -> Document:
    """One in ten is staged, and every other of these has the name of the one before it."""
    staged = number % 10 == 8
    named = number - (number % 20 == 18)
    name = f"policy-{named}" if spec["tier"] == "default" else f"{spec['tier']}.policy-{named}"
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": f"Staged{kind}" if staged else kind,
        "metadata": {"name": name, "namespace": namespace} if namespace else {"name": name},
        "spec": spec | {"order": named % 1000, "types": ["Ingress", "Egress"]},
    }


def messages(pairs: list[tuple[int, int]], reporter: str, offset: int, each: int = 500) -> list[Message]:
    """Flows between pods, many a message, as Calico logs them."""
    lines = [_flow(*pair, reporter) for pair in pairs]
    parts = range(0, len(lines), each)
    return [Message(b"\n".join(lines[n : n + each]), "flows", 0, offset + n, 0) for n in parts]


def _flow(source: int, dest: int, reporter: str) -> bytes:
    flow = {
        "start_time": START,
        "end_time": START + 300,
        "reporter": reporter,
        "action": "allow",
        "proto": "tcp",
        "host": f"node-{(source if reporter == 'src' else dest) % 1000}",
        "source_port": None,
        "dest_port": 8080,
        "policies": {"enforced_policies": [f"0|__PROFILE__|pro:kns.ns-{source % NAMESPACES}|allow|0"]},
        **dict.fromkeys(("bytes_in", "bytes_out", "packets_in", "packets_out", "num_flows"), 1),
    }
    return orjson.dumps(flow | _end("source", source) | _end("dest", dest))


def _end(side: str, number: int) -> Document:
    it = pod(number)
    return {
        f"{side}_type": "wep",
        f"{side}_namespace": it.namespace,
        f"{side}_name": it.name,
        f"{side}_name_aggr": f"{it.generate_name}*",
        f"{side}_ip": it.ips[0],
        f"{side}_labels": {"labels": [f"{key}={value}" for key, value in it.labels.items()]},
    }

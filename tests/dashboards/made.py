"""Clusters that are made up, as documents: a large one, and one whose names are as bad as names can be."""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk

from pipeline.edge_documents import HOUR_MS, digest
from pipeline.index_edges import templates

START = 1_762_128_000_000  # Monday, 3 November 2025
END = START + 24 * HOUR_MS
_WEEK = "20251103"

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """One side of an edge."""

    namespace: str
    workload: str
    type: str = "wep"

    def fields(self, side: str) -> Json:
        return {
            f"{side}_namespace": self.namespace,
            f"{side}_workload": self.workload,
            f"{side}_name_aggr": self.workload,
            f"{side}_type": self.type,
        }


INTERNET = End("-", "pub", "net")
THREAT = End("-", "threat-feed", "ns")
VERDICTS = ("allowed", "denied", "staged deny", "unknown", "threat")


def edge(source: End, dest: End, port: int, connections: int, verdict: str = "allowed", hour: int = 0) -> Iterator[Json]:
    """The documents of an edge in an hour: each side's that is a pod's. Both sides see what gets through."""
    sides = [("src", source), ("dst", dest)] if verdict != "denied" else [("src", source)]
    if source.type != "wep":
        sides = [("dst", dest)]
    for reporter, local in sides:
        if local.type == "wep":
            yield _document(source, dest, port, connections, verdict, hour, reporter)


def _document(source: End, dest: End, port: int, connections: int, verdict: str, hour: int, reporter: str) -> Json:
    start = START + hour * HOUR_MS
    local = source if reporter == "src" else dest
    staged = verdict == "staged deny" and reporter == "dst"
    enforced = {"denied": "deny", "unknown": "unknown"}.get(verdict, "allow")
    said: Json = {
        "namespace": local.namespace,
        "direction": "egress" if reporter == "src" else "ingress",
        "enforced": {"action": enforced, "tier": "default", "policy": f"np:{local.namespace}/main"},
        "promoted": {"action": "deny" if staged else enforced},
        "impact": "newly_denied" if staged else "unknown" if verdict == "unknown" else "none",
    }
    if staged:
        said["staged_deny"] = [f"snp:{dest.namespace}/close-{dest.workload}"]
    return {
        "@timestamp": start,
        "window": "hour",
        "reporter": reporter,
        "action": "deny" if verdict == "denied" else "allow",
        "proto": "tcp",
        **source.fields("source"),
        **dest.fields("dest"),
        "dest_port": port,
        "workload": f"{local.namespace}/{local.workload}",
        "edge": digest(repr((source, dest, port)).encode(), 12),
        "counted": reporter == "src" or source.type != "wep",
        "verdict": said,
        "threats": ["feed"] if verdict == "threat" else [],
        "flows": connections,
        "connections": connections,
        "bytes_client": connections * 900,
        "bytes_server": connections * 4_000,
        "packets_client": connections * 9,
        "packets_server": connections * 8,
        "first": start,
        "last": start + HOUR_MS - 1,
    }


def large(seed: int = 6) -> Iterator[Json]:
    """30 namespaces with 500 workloads together: some large, most small, as they are."""
    chance = random.Random(seed)
    sizes = [60, 45, 35, 30, 25, *[13] * 20, *[9] * 5]
    names = [f"team-{chance.choice(_WORDS)}-{number:02}" for number in range(len(sizes))]
    members = {
        name: [End(name, f"{chance.choice(_WORDS)}-{number}") for number in range(size)]
        for name, size in zip(names, sizes, strict=True)
    }
    everyone = [end for ends in members.values() for end in ends]
    shared = [End("kube-system", "coredns"), members[names[0]][0], members[names[1]][0]]
    for end in everyone:
        yield from edge(end, shared[0], 53, chance.randint(200, 4_000))
        for _ in range(chance.randint(1, 4)):
            peer = chance.choice(members[end.namespace])
            if peer != end:
                yield from edge(end, peer, 8080, chance.randint(5, 900), _verdict(chance, 0.97))
        if chance.random() < 0.2:
            yield from edge(end, chance.choice(shared[1:]), 443, chance.randint(5, 600), _verdict(chance, 0.9))
        if chance.random() < 0.08:
            yield from edge(end, chance.choice(everyone), 9090, chance.randint(1, 50), _verdict(chance, 0.6))
    for front in (members[name][1] for name in names[:6]):
        yield from edge(INTERNET, front, 443, chance.randint(2_000, 20_000))
    yield from edge(members[names[3]][4], THREAT, 443, 3, "threat")


def nasty() -> Iterator[Json]:
    """Names with everything in them that a query, a path or a page could trip over."""
    pairs = zip(NASTY, [*NASTY[1:], NASTY[0]], strict=True)
    for number, (source, dest) in enumerate(pairs, start=1):
        yield from edge(End(source, f"{source} in"), End(dest, f"{dest} out"), 80, number * 10, VERDICTS[number % 4])


NASTY = (
    'quo"ted', "it's", "a.b/c.d", "back\\slash", "<b>bold</b>", "данные", "データ", "a & b; c", "%7B{x}", "n:w:k:",
    "-dash", "more",
)  # fmt: skip
_WORDS = ("atlas", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron", "iris", "jade", "koala", "lotus")


def _verdict(chance: random.Random, allowed: float) -> str:
    return "allowed" if chance.random() < allowed else chance.choice(VERDICTS[1:4])


def write(search: Elasticsearch, cluster: str, documents: Iterable[Json]) -> None:
    """Put the documents into the hour's index of a cluster, and wait until they are found."""
    for name, template in templates(1, 0).items():
        search.indices.put_index_template(name=name, **template)
    index = f"flowtier_edges.{cluster}.hour.{_WEEK}"
    bulk(search, ({"_index": index, "_source": each | {"cluster": cluster}} for each in documents))
    search.indices.refresh(index=index)


def board(seed: int = 6) -> tuple[list[Json], list[Json]]:
    """The documents of two revisions' policies, of which the older one is out of force, and of their rules."""
    chance = random.Random(seed)
    policies: list[Json] = []
    for number, revision in enumerate(("0" * 64, "a1b2" * 16)):
        position = 0
        for place, (tier, count) in enumerate((("security", 4), ("platform", 9), ("application", 34), ("default", 12))):
            for row in range(count - (number == 0)):
                policies.append(_policy(revision, number, position, tier, place, row, chance))
                position += 1
    rules = [_rule(each, chance) for each in policies if each["revision_number"] == 1 and chance.random() < 0.7]
    return policies, rules


def _policy(
    revision: str, number: int, position: int, tier: str, place: int, row: int, chance: random.Random
) -> Json:
    staged = chance.random() < 0.25
    namespace = None if tier == "security" else f"team-{chance.choice(_WORDS)}"
    name = f"{chance.choice(_WORDS)}-{chance.choice(_WORDS)}-{row}"
    kind = ("snp" if staged else "np") if namespace else ("sgnp" if staged else "gnp")
    denies = row % 8 == 7
    return {
        "@timestamp": START + number,
        "revision": revision,
        "revision_number": number,
        "source": "git",
        "commit": revision[:8],
        "position": position,
        "tier": tier,
        "tier_order": place * 100.0,
        "tier_position": row,
        "tier_default_action": "deny" if tier != "default" else "pass",
        "policy": f"{kind}:{namespace}/{tier}.{name}" if namespace else f"{kind}:{tier}.{name}",
        "kind": "NetworkPolicy",
        **({"namespace": namespace} if namespace else {}),
        "name": name,
        "order": row * 10.0,
        "staged": staged,
        **({"staged_action": "Set"} if staged else {}),
        "types": ["Ingress", "Egress"],
        "selector": "all()",
        "ingress_rules": 0 if denies else 1,
        "egress_rules": 0,
        "default_deny": denies,
        "rules": [] if denies else ['ingress 0: allow tcp from app == "web" to ports 80'],
        "applies_to_count": chance.randint(1, 40),
    }


def _rule(policy: Json, chance: random.Random) -> Json:
    return {
        "@timestamp": START,
        "namespace": policy.get("namespace", "-"),
        "direction": "ingress",
        "tier": policy["tier"],
        "policy": policy["policy"],
        "rule": 0,
        "staged": policy["staged"],
        "revision": policy["revision"],
        "hits": chance.choice((0, chance.randint(1, 90_000))),
        "possible_hits": chance.randint(0, 5),
        "connections": chance.randint(1, 90_000),
        "last_hit": START + chance.randint(0, 24 * HOUR_MS),
    }

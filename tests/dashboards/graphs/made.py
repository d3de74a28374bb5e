"""Clusters that are made up, as documents: a large one, and one whose names are as bad as names can be."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.edge_documents import HOUR_MS, digest
from tests.dashboards.bundle import Json

START = 1_762_128_000_000  # Monday, 3 November 2025
END = START + 24 * HOUR_MS


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


LARGEST = "team-atlas-00"  # of the large one's namespaces
INTERNET = End("-", "pub", "net")
THREAT = End("-", "threat-feed", "ns")
VERDICTS = ("allowed", "denied", "staged deny", "unknown", "threat")


def edge(source: End, dest: End, port: int, connections: int, verdict: str = "allowed") -> Iterator[Json]:
    """The documents of an edge: each side's that is a pod's. Both sides see what gets through."""
    sides = [("src", source), ("dst", dest)] if verdict != "denied" else [("src", source)]
    if source.type != "wep":
        sides = [("dst", dest)]
    for reporter, local in sides:
        if local.type == "wep":
            yield _document(source, dest, port, connections, verdict, reporter)


def _document(source: End, dest: End, port: int, connections: int, verdict: str, reporter: str) -> Json:
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
        "@timestamp": START,
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
        "bytes_server": connections * port,
        "packets_client": connections * 9,
        "packets_server": connections * 8,
        "first": START,
        "last": START + HOUR_MS - 1,
    }


def large(seed: int = 6) -> Iterator[Json]:
    """30 namespaces with 500 workloads together: some large, most small, as they are."""
    chance = random.Random(seed)
    sizes = [60, 45, 35, 30, 25, *[13] * 20, *[9] * 5]
    names = [f"team-{WORDS[number % len(WORDS)]}-{number:02}" for number in range(len(sizes))]
    members = {
        name: [End(name, f"{chance.choice(WORDS)}-{number}") for number in range(size)]
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
            yield from edge(
                end, chance.choice(shared[1:]), 443, chance.randint(5, 600), _verdict(chance, 0.9)
            )
        if chance.random() < 0.08:
            yield from edge(end, chance.choice(everyone), 9090, chance.randint(1, 50), _verdict(chance, 0.6))
    for front in (members[name][1] for name in names[:6]):
        yield from edge(INTERNET, front, 443, chance.randint(2_000, 20_000))
    yield from edge(members[names[3]][4], THREAT, 443, 3, "threat")


def nasty() -> Iterator[Json]:
    """Names with everything in them that a query, a path or a page could trip over."""
    pairs = zip(NASTY, [*NASTY[1:], NASTY[0]], strict=True)
    for number, (source, dest) in enumerate(pairs, start=1):
        yield from edge(
            End(source, f"{source} in"), End(dest, f"{dest} out"), 80, number * 10, VERDICTS[number % 4]
        )


NASTY = (
    'quo"ted', "it's", "a.b/c.d", "back\\slash", "<b>bold</b>", "данные", "データ", "a & b; c", "%7B{x}",
    "n:w:k:", "-dash", "more", "null",
)  # fmt: skip
WORDS = (
    "atlas", "basil", "cedar", "delta", "ember", "fjord", "grove", "heron", "iris", "jade", "koala", "lotus",
)  # fmt: skip


def _verdict(chance: random.Random, allowed: float) -> str:
    return "allowed" if chance.random() < allowed else chance.choice(VERDICTS[1:4])

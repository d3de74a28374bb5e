"""Documents ▸ what each staged policy would break: the summary that `judge --summary` and the demo print."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.workload import workload_of

type Document = Mapping[str, Any]
EFFECTS = {"staged_deny": "would deny", "staged_allow": "would allow", "staged_unknown": "unknown"}
SCOPES = ("enforced", "pending", "promoted")


class Edge(NamedTuple):
    """Who talks to whom: an edge without its reporter, so that both reporters' records are one."""

    source: str
    dest: str
    service: str  # proto/port

    def __str__(self) -> str:
        return f"{self.source} → {self.dest} {self.service}"


@dataclass(slots=True)
class Traffic:
    """Connections and bytes of one edge, by reporter."""

    connections: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)

    @property
    def counted(self) -> tuple[int, int]:
        """(connections, bytes) with what both sides logged taken once (DESIGN.md §4, Counting).

        A staged policy may judge an edge at its source, at its destination or at both; where both
        logged it they logged the same connections, so the larger of the two is the edge's.
        """
        return max(self.connections.values(), default=0), max(self.bytes.values(), default=0)


@dataclass(slots=True)
class Effect:
    """The edges to which a staged policy would do something, and why it is unknown."""

    edges: defaultdict[Edge, Traffic] = field(default_factory=lambda: defaultdict(Traffic))
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def totals(self) -> tuple[int, int, int]:
        """(distinct edges, connections, bytes)."""
        counted = [traffic.counted for traffic in self.edges.values()]
        return len(counted), sum(c for c, _ in counted), sum(b for _, b in counted)

    def top(self, count: int) -> list[tuple[Edge, int, int]]:
        """The edges with most connections, as (edge, connections, bytes)."""
        counted = [(edge, *traffic.counted) for edge, traffic in self.edges.items()]
        return sorted(counted, key=lambda row: (-row[1], -row[2], row[0]))[:count]


@dataclass(slots=True)
class Summary:
    """What some documents say together; `staged[policy][effect]` with the effects of EFFECTS."""

    documents: int = 0
    connections: int = 0
    bytes: int = 0
    verdicts: dict[str, Counter[str]] = field(default_factory=lambda: {scope: Counter() for scope in SCOPES})
    impacts: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    agreement: Counter[str] = field(default_factory=Counter)
    unjudged: Counter[str] = field(default_factory=Counter)
    staged: dict[str, dict[str, Effect]] = field(default_factory=dict)

    def add(self, document: Document) -> None:
        verdict = document["verdict"]
        reporter = "dst" if "dst" in document["reporter"] else "src"
        self.documents += 1
        if _counts(document, reporter):
            self.connections += _connections(document)
            self.bytes += _bytes(document)
        if verdict.get("unjudged"):
            self.unjudged[verdict["unjudged"]] += 1
            return
        for scope in SCOPES:
            self.verdicts[scope][verdict[scope]["action"]] += 1
        self.impacts[verdict["impact"]] += 1
        self.unknown.update(verdict.get("unknown") or ())
        if verdict.get("agrees"):
            self.agreement[verdict["agrees"]] += 1
        self._add_staged(document, verdict, reporter)

    def _add_staged(self, document: Document, verdict: Mapping[str, Any], reporter: str) -> None:
        for name in EFFECTS:
            for policy in verdict.get(name) or ():
                effect = self.policy(policy)[name]
                traffic = effect.edges[edge_of(document)]
                traffic.connections[reporter] += _connections(document)
                traffic.bytes[reporter] += _bytes(document)
                if name == "staged_unknown":
                    effect.reasons.update(verdict["unknown"])

    def policy(self, policy: str) -> dict[str, Effect]:
        """The effects of one staged policy."""
        return self.staged.setdefault(policy, {name: Effect() for name in EFFECTS})


def summarise(documents: Iterable[Document], staged: Iterable[str] = ()) -> Summary:
    """Count documents; `staged` names policies that are listed even if they would change nothing."""
    summary = Summary()
    for policy in staged:
        summary.policy(policy)
    for document in documents:
        summary.add(document)
    return summary


def edge_of(document: Document) -> Edge:
    """The edge of a document: both workloads, protocol and destination port."""
    port = document.get("dest_port")
    service = f"{document.get('proto') or 'any'}/{port if port is not None else '*'}"
    return Edge(_end(document, "source"), _end(document, "dest"), service)


def _end(document: Document, side: str) -> str:
    namespace = document.get(f"{side}_namespace")
    name = document.get(f"{side}_name_aggr") or document.get(f"{side}_name") or "?"
    labels = (document.get(f"{side}_labels") or {}).get("labels") or ()
    return f"{namespace}/{workload_of(name, labels)}" if namespace not in (None, "", "-") else name


def _counts(document: Document, reporter: str) -> bool:
    """Totals take src records, and dst records only where the source is no workload (DESIGN.md §4)."""
    return reporter == "src" or document.get("source_type") != "wep"


def _connections(document: Document) -> int:
    """Connections that began in the interval, so that a long one is counted once."""
    started = document.get("num_flows_started")
    return int(started if started is not None else document.get("num_flows") or 0)


def _bytes(document: Document) -> int:
    return int(document.get("bytes_in") or 0) + int(document.get("bytes_out") or 0)

"""What the graphs must say, counted from the documents in plain Python, beside Elasticsearch and Vega."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.dashboards.bundle import Json

WORDS = ("threat", "denied", "staged deny", "unknown", "allowed")
_KINDS = {"net": "networks", "ns": "network sets", "hep": "hosts"}

type Between = tuple[str, str]


@dataclass(slots=True)
class Count:
    """Figures of an edge of a graph; `by`: connections by verdict, as source and destination said."""

    connections: int = 0
    bytes: int = 0
    by: dict[str, list[int]] = field(default_factory=lambda: {word: [0, 0] for word in WORDS})
    seen: set[str] = field(default_factory=set)
    staged: set[str] = field(default_factory=set)

    @property
    def worst(self) -> str:
        return next(word for word in WORDS if word in self.seen)


def count(documents: Iterable[Json], ends: Callable[[Json], Between | None]) -> dict[Between, Count]:
    """The documents by the edge that they belong to; what a host forwards is logged at its ends too."""
    found: defaultdict[Between, Count] = defaultdict(Count)
    for each in documents:
        between = ends(each)
        if between is None or each["reporter"] == "fwd":
            continue
        edge = found[between]
        word = verdict(each)
        edge.seen.add(word)
        edge.by[word][each["reporter"] == "dst"] += each["connections"]
        edge.staged |= set(each["verdict"].get("staged_deny", ()))
        if each["counted"]:
            edge.connections += each["connections"]
            edge.bytes += each["bytes_client"] + each["bytes_server"]
    return dict(found)


def verdict(document: Json) -> str:
    """The worst that can be said of a document."""
    said = document["verdict"]
    enforced, impact = said.get("enforced", {}).get("action"), said.get("impact")
    if document["threats"]:
        return "threat"
    if "deny" in {document["action"], enforced}:
        return "denied"
    if said.get("staged_deny") or impact == "newly_denied":
        return "staged deny"
    return "allowed" if enforced == "allow" and impact != "unknown" else "unknown"


def namespace(document: Json, side: str) -> str:
    """The namespace of a side; of what is in none, what it is."""
    return (
        _KINDS[document[f"{side}_type"]]
        if document[f"{side}_namespace"] == "-"
        else document[f"{side}_namespace"]
    )


def of_namespaces(document: Json) -> Between:
    return namespace(document, "source"), namespace(document, "dest")


def within(focus: str) -> Callable[[Json], Between | None]:
    """By workload within a namespace, by namespace outside of it; None for what does not touch it."""

    def ends(document: Json) -> Between | None:
        if focus not in {document["source_namespace"], document["dest_namespace"]}:
            return None
        source, dest = (
            document[f"{side}_workload"]
            if document[f"{side}_namespace"] == focus
            else namespace(document, side)
            for side in ("source", "dest")
        )
        return source, dest

    return ends

"""What `flowtier watch` tells of: what is so now and was not so before."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec

from pipeline.user_error import UserError

type Kind = Literal["edges_denied", "disagreement_rises", "unknown_rises"]
type Pair = tuple[str, str]  # a staged policy, and the hash of an edge that it alone would deny

_LEAST_FLOWS = 100  # in the last hour: fewer make no share
_SENTENCES: Mapping[str, str] = {
    "disagreement_rises": "verdicts that disagree with the nodes (changes of policies left out)",
    "unknown_rises": "unknown verdicts",
}
NAMED_EDGES, _SHOWN_EDGES = 20, 3


class WatchError(UserError):
    """What ends watching; the message says why and what to do."""


class Share(NamedTuple):
    """Some flows of others, in the last hour and in the day before it; `why`: what is missing."""

    now: int
    now_of: int
    before: int
    before_of: int
    why: tuple[str, ...] = ()

    @property
    def rise(self) -> float:
        """How much larger the share is now; below 0 where nothing can be compared."""
        if self.now_of < _LEAST_FLOWS or not self.before_of:
            return -1.0
        return self.now / self.now_of - self.before / self.before_of


class DeniedEdge(NamedTuple):
    """An edge as a person reads it."""

    source: str
    dest: str
    service: str

    def __str__(self) -> str:
        return f"{self.source} → {self.dest} {self.service}"


@dataclass(frozen=True, slots=True)
class Change:
    """One change; `figures` are those that its words tell."""

    kind: Kind
    cluster: str
    at: int  # ms
    words: str
    figures: Mapping[str, Any]

    @property
    def time(self) -> str:
        return f"{datetime.fromtimestamp(self.at / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def line(self) -> str:
        return f"{self.time} {self.cluster}: {self.words}"

    def as_json(self) -> bytes:
        about = {"change": self.kind, "cluster": self.cluster, "at": self.time, "words": self.words}
        return msgspec.json.encode({**about, **self.figures})


class Known(msgspec.Struct, kw_only=True):
    """What was told, or so before anything was: edges denied, by staged policy, and shares that rose."""

    v: Literal[1] = 1
    cluster: str
    denied: dict[str, set[str]] = {}
    risen: set[str] = set()

    def new(self, pairs: Iterable[Pair]) -> dict[str, list[str]]:
        """Edges that are not known yet, by policy, in order."""
        found: dict[str, list[str]] = {}
        for policy, edge in sorted(set(pairs)):
            if edge not in self.denied.get(policy, ()):
                found.setdefault(policy, []).append(edge)
        return found

    def learn(self, new: Mapping[str, Iterable[str]]) -> None:
        for policy, edges in new.items():
            self.denied.setdefault(policy, set()).update(edges)

    def rises(self, shares: Mapping[Kind, Share], bar: float) -> Iterator[Kind]:
        """Which rose above the bar; one that did is told of again only once it fell below the half of it."""
        for kind, share in shares.items():
            if kind in self.risen and share.rise <= bar / 2:
                self.risen.discard(kind)
            elif kind not in self.risen and share.rise > bar:
                yield kind


def denies(cluster: str, at: int, policy: str, count: int, edges: Sequence[DeniedEdge]) -> Change:
    """A staged policy begins to deny `count` edges; `edges` names some of them."""
    what = "an edge" if count == 1 else f"{count:,} edges"
    shown = ", ".join(map(str, edges[:_SHOWN_EDGES])) + (", …" if count > _SHOWN_EDGES else "")
    words = f"{policy} would deny {what} that it never denied before: {shown}"
    figures = {"policy": policy, "edge_count": count, "edges": [edge._asdict() for edge in edges]}
    return Change("edges_denied", cluster, at, words, figures)


def rises(cluster: str, at: int, kind: Kind, share: Share) -> Change:
    """A share of flows rose."""
    now, before = share.now / share.now_of, share.before / share.before_of
    why = f", for want of {', '.join(share.why)}" if share.why else ""
    words = (
        f"{_SENTENCES[kind]} rise: {now:.1%} of flows in the last hour, {before:.1%} in the day before{why}"
    )
    figures = {"flows": share.now, "share": now, "share_before": before, "why": share.why}
    return Change(kind, cluster, at, words, figures)

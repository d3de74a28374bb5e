"""What changed for recorded flows between two revisions, as counts that add up in any order."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from pipeline.impact import Edge
from pipeline.match.verdict import Decision

type Change = Literal["newly_denied", "newly_allowed", "unknown"]
CHANGES: tuple[Change, ...] = ("newly_denied", "newly_allowed", "unknown")


class Changed(NamedTuple):
    """What tells one change from another: the edge, the side that was judged (egress at the source, ingress
    at the destination), what decides now and then, and what is missing to be certain."""

    change: Change
    edge: Edge
    direction: str
    before: Decision
    after: Decision
    missing: tuple[str, ...]


@dataclass(slots=True)
class Sums:
    """Flows of one change; times in ms since the epoch, `example` is the place of one of them."""

    flows: int
    connections: int
    bytes: int
    first: int
    last: int
    example: str

    def add(self, other: "Sums") -> None:
        """Take in what came later in the flows' order."""
        self.flows += other.flows
        self.connections += other.connections
        self.bytes += other.bytes
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)


@dataclass(slots=True)
class Found:
    """All that was found: `flows`, and `connections` and `bytes` counted once (DESIGN.md §4, Counting);
    flows that nobody can judge by the reason; those of which the first revision says otherwise than the node
    did; the changes."""

    flows: int = 0
    connections: int = 0
    bytes: int = 0
    disagreeing: int = 0
    unjudged: dict[str, int] = field(default_factory=dict)
    changes: dict[Changed, Sums] = field(default_factory=dict)

    def add(self, other: "Found") -> None:
        """Take in what was found in flows that come later."""
        self.flows += other.flows
        self.connections += other.connections
        self.bytes += other.bytes
        self.disagreeing += other.disagreeing
        for reason, flows in other.unjudged.items():
            self.unjudged[reason] = self.unjudged.get(reason, 0) + flows
        for changed, sums in other.changes.items():
            known = self.changes.setdefault(changed, sums)
            if known is not sums:
                known.add(sums)

"""What was found ▸ the report: changes by edge, workload and policy, largest first."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase

import msgspec

from pipeline.impact import Edge, Traffic
from pipeline.match.verdict import Decision
from pipeline.whatif.changes import CHANGES, Change, Changed, Found, Sums


class Decided(msgspec.Struct, frozen=True):
    """What a revision decides about a flow, and what does; None where completions of what is missing get
    there in different ways."""

    action: str
    tier: str | None
    policy: str | None
    rule: int | None

    def __str__(self) -> str:
        if self.policy is None:
            return self.action
        rule = "end of tier" if self.rule == -1 else f"rule {self.rule}"
        return f"{self.action} by {self.policy} {rule}"


class Line(msgspec.Struct, frozen=True):
    """One change: of which edge, at which side it was judged, from what to what; `missing` is what a certain
    answer would need. Times in ms since the epoch; `example` names one of its flows."""

    change: Change
    source: str
    dest: str
    service: str
    direction: str
    before: Decided
    after: Decided
    missing: tuple[str, ...]
    flows: int
    connections: int
    bytes: int
    first: int
    last: int
    example: str
    allowed: bool  # by --allow-edge: counts in no limit

    @property
    def edge(self) -> Edge:
        return Edge(self.source, self.dest, self.service)


class Total(msgspec.Struct, frozen=True):
    """Distinct edges, and their traffic with what both sides logged counted once (DESIGN.md §4)."""

    edges: int = 0
    connections: int = 0
    bytes: int = 0


class Share(msgspec.Struct, frozen=True):
    """What changes for one workload, as source or destination, or by what one policy decides, or decided."""

    name: str
    newly_denied: Total
    newly_allowed: Total
    unknown: Total


class Report(msgspec.Struct, frozen=True):
    """What HEAD would have done to the flows that BASE was in force for."""

    base: str
    head: str
    flows: int
    connections: int
    bytes: int
    disagreeing: int  # flows of which BASE says otherwise than the nodes that logged them
    unjudged: dict[str, int]
    unreadable: int
    totals: dict[Change, Total]
    not_allowed: dict[Change, int]  # edges that --allow-edge does not name
    lines: list[Line]
    workloads: list[Share]
    policies: list[Share]

    def of(self, change: Change) -> list[Line]:
        return [line for line in self.lines if line.change == change]


def report(base: str, head: str, found: Found, unreadable: int, allowed: Iterable[str] = ()) -> Report:
    """The report of all that was found; `allowed` are patterns as for --allow-edge."""
    patterns = list(allowed)
    lines = sorted(
        (
            _line(changed, sums, _is_allowed(changed.edge, patterns))
            for changed, sums in found.changes.items()
        ),
        key=_largest_first,
    )
    return Report(
        base=base,
        head=head,
        flows=found.flows,
        connections=found.connections,
        bytes=found.bytes,
        disagreeing=found.disagreeing,
        unjudged=dict(sorted(found.unjudged.items())),
        unreadable=unreadable,
        totals=_totals(lines),
        not_allowed={
            change: _totals(line for line in lines if not line.allowed)[change].edges for change in CHANGES
        },
        lines=lines,
        workloads=_shares((name, line) for line in lines for name in {line.source, line.dest}),
        policies=_shares((name, line) for line in lines for name in _policies(line)),
    )


def _line(changed: Changed, sums: Sums, allowed: bool) -> Line:
    change, edge, direction, before, after, missing = changed
    return Line(
        change,
        *edge,
        direction,
        _decided(before),
        _decided(after),
        missing,
        sums.flows,
        sums.connections,
        sums.bytes,
        sums.first,
        sums.last,
        sums.example,
        allowed,
    )


def _decided(decision: Decision) -> Decided:
    return Decided(decision.action, decision.tier, decision.policy, decision.rule)


def _largest_first(line: Line) -> tuple[object, ...]:
    decided = (str(line.before), str(line.after), line.missing)
    return CHANGES.index(line.change), -line.connections, -line.bytes, line.edge, line.direction, decided


def _is_allowed(edge: Edge, patterns: Iterable[str]) -> bool:
    return any(_matches(edge, pattern) for pattern in patterns)


def _matches(edge: Edge, pattern: str) -> bool:
    source, _, rest = pattern.replace("→", ">").partition(">")
    dest, *service = rest.split()
    named = (source.strip(), dest, *service)
    return all(map(fnmatchcase, edge, named))


def _totals(lines: Iterable[Line]) -> dict[Change, Total]:
    edges: dict[Change, defaultdict[Edge, Traffic]] = {change: defaultdict(Traffic) for change in CHANGES}
    for line in lines:
        traffic = edges[line.change][line.edge]
        traffic.connections[line.direction] += line.connections
        traffic.bytes[line.direction] += line.bytes
    return {change: _total(found.values()) for change, found in edges.items()}


def _total(traffic: Iterable[Traffic]) -> Total:
    counted = [each.counted for each in traffic]
    return Total(len(counted), sum(one for one, _ in counted), sum(size for _, size in counted))


def _shares(named: Iterable[tuple[str, Line]]) -> list[Share]:
    of: defaultdict[str, list[Line]] = defaultdict(list)
    for name, line in named:
        of[name].append(line)
    shares = [Share(name, **_totals(lines)) for name, lines in of.items()]
    return sorted(shares, key=lambda each: (*(-getattr(each, change).edges for change in CHANGES), each.name))


def _policies(line: Line) -> Iterator[str]:
    yield from {each.policy for each in (line.before, line.after) if each.policy}

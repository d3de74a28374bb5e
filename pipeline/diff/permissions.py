"""What one revision permits among endpoints: egress at the source and ingress at the destination."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from pipeline.diff.endpoints import Known, records_of
from pipeline.diff.traffic import Traffic
from pipeline.facts import Facts
from pipeline.identity import NamedPort
from pipeline.match.bits import Flags, Ints, distinct
from pipeline.match.cells import FlowClasses
from pipeline.match.evaluate import Evaluator
from pipeline.match.roles import LOCAL, PEER, PROFILE, SELECTED, TELLING, VERSION
from pipeline.match.tables import Tables
from pipeline.policy.policies import Direction, Policies
from pipeline.resolve import Resolver

DENIED, UNSURE, ALLOWED = 0, 1, 2  # so that the lesser of two is what both together permit
CODES = {"deny": DENIED, "unknown": UNSURE, "allow": ALLOWED}
AT_ONCE = 1 << 18  # flow classes that are judged at a time

type Codes = NDArray[np.int8]


def enforced(policies: Policies) -> Policies:
    """The revision without what is staged, which permits nothing."""
    kept = tuple(p for p in policies.policies if not p.key.staged and p.workloads)
    return replace(policies, policies=kept)


class Permissions:
    """Answers by the tables of one revision, for endpoints (n,) that are named by their place.

    What nothing tells apart is judged once: in each direction endpoints are of as many classes as have
    rows of their own, as the end that is judged and as the other one.
    """

    def __init__(
        self, policies: Policies, facts: Facts, endpoints: Sequence[Known], now: float, max_cells: int
    ) -> None:
        batch = records_of(endpoints, now)
        self._resolved = Resolver(facts, policies).resolve(batch)
        tables = Tables(policies, self._resolved.sets, self._resolved.slices, max_cells)
        self._evaluator = Evaluator(tables)
        self._sides = self._resolved.source, self._resolved.dest
        self._workload = np.array([endpoint.kind == "wep" for endpoint in endpoints], np.bool_)
        self.judged: dict[Direction, Ints] = {"egress": self._classes(0, 0), "ingress": self._classes(1, 0)}
        self.passed: dict[Direction, Ints] = {"egress": self._classes(1, 1), "ingress": self._classes(0, 1)}
        self._codes = np.zeros(0, np.int8)

    def named_ports(self) -> set[NamedPort]:
        """Every port that an endpoint names."""
        candidates = chain.from_iterable(side.candidates for side in self._resolved.sides)
        return {port for c in candidates if c.identity for port in c.identity.ports}

    def among(self, sources: Ints, dests: Ints, met: Flags, traffic: Sequence[Traffic]) -> Codes:
        """What is permitted (s, d, t) of each traffic from each of `sources` (s,) to each of `dests` (d,),
        where they may meet (s, d)."""
        out = self._at(sources, dests, met, traffic, "egress")
        let_in = self._at(dests, sources, met.T, traffic, "ingress")
        return np.minimum(out, let_in.transpose(1, 0, 2))

    def _at(
        self, judged: Ints, others: Ints, met: Flags, traffic: Sequence[Traffic], direction: Direction
    ) -> Codes:
        """What the judged ends (j,) say of traffic with the others (o,): (j, o, t)."""
        answers = np.full((*met.shape, len(traffic)), ALLOWED, np.int8)
        row, column = np.nonzero(met & self._workload[judged][:, np.newaxis])
        if not len(row):
            return answers
        alike, inverse = distinct(
            [self.judged[direction][judged[row]], self.passed[direction][others[column]]]
        )
        ends = judged[row[alike]], others[column[alike]]
        source, dest = ends if direction == "egress" else ends[::-1]
        answers[row, column] = self._judge(direction, source, dest, traffic)[inverse]
        return answers

    def _judge(self, direction: Direction, source: Ints, dest: Ints, traffic: Sequence[Traffic]) -> Codes:
        """Of each pair (p,) what is permitted (p, t)."""
        protocol = np.array([each.protocol for each in traffic], np.int64)
        source_port = np.array([each.source_ports[0] for each in traffic], np.int64)
        port = np.array([each.ports[0] for each in traffic], np.int64)
        answers = np.empty((len(source), len(traffic)), np.int8)
        step = max(1, AT_ONCE // len(traffic))
        for first in range(0, len(source), step):
            part = slice(first, first + step)
            count = len(source[part])
            flows = FlowClasses(
                np.repeat(self._sides[0][source[part]], len(traffic)),
                np.repeat(self._sides[1][dest[part]], len(traffic)),
                np.tile(protocol, count),
                np.tile(source_port, count),
                np.tile(port, count),
                np.zeros(count * len(traffic), np.int64),
                self._resolved.sides,
            )
            found = self._evaluator.evaluate(direction, flows).outcome
            answers[part] = self._actions()[found].reshape(count, -1)
        return answers

    def _actions(self) -> Codes:
        """The code of each outcome that the evaluator knows."""
        new = self._evaluator.outcomes[len(self._codes) :]
        codes = [CODES[outcome.enforced.action] for outcome in new if outcome.enforced]
        self._codes = np.concatenate([self._codes, np.array(codes, np.int8)])
        return self._codes

    def _classes(self, end: int, other: int) -> Ints:
        """The class of each endpoint as source (end 0) or destination, judged or the other end; one that
        is not wholly known has a class of its own."""
        tables = self._evaluator.tables
        sides = self._sides[end]
        found, one = tables.known_sides(self._resolved.sides).entities(sides, destination=bool(end))
        which = (VERSION, TELLING, PEER) if other else (VERSION, TELLING, SELECTED, LOCAL, PROFILE)
        columns = [tables.roles[end].column(each, found) for each in which]
        _, kind = distinct([*columns, np.where(one, -1, sides)])
        return kind

"""Whether the verdicts of a benchmark are right: the reference judges a sample of its flow classes."""

import random
from collections.abc import Iterable
from dataclasses import replace

from pipeline.flow import MISSING, REPORTERS, FlowBatch
from pipeline.judge import DIRECTIONS, Judge
from pipeline.match.reference import LabelledSet, OpenFlow
from pipeline.match.reference import judge as judge_slowly
from pipeline.match.verdict import Outcome, TooMany, Verdicts
from pipeline.own_host import OPEN
from pipeline.resolve import JUDGED, Resolved

CLASSES, COMPLETIONS = 60, 20_000


def check(judge: Judge, batch: FlowBatch, resolved: Resolved, verdicts: Verdicts) -> int:
    """How many flow classes of a batch were compared, at most CLASSES, drawn by chance; AssertionError
    where the reference says anything else."""
    rows = _one_of_each(batch, resolved)
    random.Random(1).shuffle(rows)
    sets = [
        LabelledSet(identity.labels, each.nets, each.domains)
        for each, identity in zip(judge.policies.network_sets, resolved.sets, strict=True)
    ]
    compared = 0
    for row in rows:
        if compared == CLASSES:
            break
        flow, ours = _open_flow(batch, resolved, row), verdicts.outcomes[int(verdicts.outcome[row])]
        try:
            expected = judge_slowly(judge.policies, sets, resolved.slices, flow, COMPLETIONS)
        except TooMany:
            continue
        assert _comparable(ours) == _comparable(expected), f"flow {batch.ids[row]}: {ours} and {expected}"
        compared += 1
    return compared


def _one_of_each(batch: FlowBatch, resolved: Resolved) -> list[int]:
    columns = (
        batch.reporter,
        resolved.source,
        resolved.dest,
        batch.proto,
        batch.source_port,
        batch.dest_port,
    )
    classes: Iterable[tuple[int, ...]] = zip(*(column.tolist() for column in columns), strict=True)
    judged = (resolved.unjudged == JUDGED).tolist()
    return list({each: row for row, each in enumerate(classes) if judged[row]}.values())


def _open_flow(batch: FlowBatch, resolved: Resolved, row: int) -> OpenFlow:
    proto, source_port, dest_port = (
        None if column[row] == MISSING else int(column[row])
        for column in (batch.proto, batch.source_port, batch.dest_port)
    )
    source, dest = resolved.sides[int(resolved.source[row])], resolved.sides[int(resolved.dest[row])]
    own_host = None if resolved.own_host[row] == OPEN else bool(resolved.own_host[row])
    direction = DIRECTIONS[REPORTERS[int(batch.reporter[row])]]
    return OpenFlow(source, dest, proto, source_port, dest_port, direction, own_host)


def _comparable(outcome: Outcome) -> Outcome:
    """All that both must agree on: the reference names everything missing, the tables what matters."""
    return replace(
        outcome,
        unknown=(),
        staged_deny=tuple(sorted(outcome.staged_deny)),
        staged_allow=tuple(sorted(outcome.staged_allow)),
        staged_unknown=tuple(sorted(outcome.staged_unknown)),
    )

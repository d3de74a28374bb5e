"""The closed loop on the sample cluster: learn from its first days, enforce that, replay the rest."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from deploy.demo.traffic import INTRUDER, SCAN_STARTS
from pipeline.decode import decode
from pipeline.facts import Facts
from pipeline.flow import ACTIONS, REPORTERS, Bools, FlowBatch
from pipeline.flow_files import read_blocks
from pipeline.judge import Judge
from pipeline.observe import HOUR_MS
from pipeline.policy.load import load_paths
from pipeline.policy.policies import Policies
from pipeline.policy.revision import to_policies
from pipeline.recommend.learn import Window
from pipeline.recommend.learned import Learned
from pipeline.recommend.offline import Lessons, learn_flows
from pipeline.recommend.recommend import MAX_CELLS, recommend
from pipeline.recommend.recommendation import Options, Recommendation
from pipeline.recommend.score import enforcing

DNS_PORT = 53
NIGHTLY = "report-builder"


@dataclass(slots=True)
class Share:
    """Connections of some kind, and how many of them would be cut for certain, or perhaps."""

    connections: int = 0
    cut: int = 0
    unknown: int = 0

    def add(self, started: int, action: str) -> None:
        self.connections += started
        self.cut += started * (action == "deny")
        self.unknown += started * (action == "unknown")


@dataclass(slots=True)
class Loop:
    """What came of it; hours are since the epoch."""

    recommendations: list[Recommendation]
    known: dict[str, Learned]
    cut: int
    legitimate: Share
    intruder: Share
    nightly: Share


def close_the_loop(
    flow_log: Path, policies: Path, facts: Path, options: Options, cut: int | None = None
) -> Loop:
    """Learn from the flows before the hour `cut` (else that of the intrusion), enforce all that is
    proposed, replay the flows since.

    Legitimate is what today's policies allow and somebody answered, of anyone but the intruder.
    """
    loaded = load_paths([policies, facts])
    in_force, cluster = to_policies(loaded), Facts.from_resources(each.plain for each in loaded.facts)
    if cut is None:
        first, last = _span(flow_log)
        cut = int(first + (last - first) * SCAN_STARTS) // HOUR_MS
    lessons = Lessons(Window(0, cut))
    for _ in learn_flows(read_blocks([str(flow_log)]), _judge(in_force, cluster), lessons):
        pass
    known = lessons.known(options.lookback_days)
    found = recommend(known, in_force, cluster, options, {})
    loop = Loop(found, known, cut, Share(), Share(), Share())
    changed = enforcing(in_force, [each.manifest for each in found])
    _replay(flow_log, _judge(changed, cluster), loop)
    return loop


def _judge(policies: Policies, facts: Facts) -> Judge:
    return Judge(policies, facts, "demo", 0, MAX_CELLS)


def _span(flow_log: Path) -> tuple[int, int]:
    """ms since the epoch of the first and the last flow."""
    ends = [decode(messages).batch.end for messages in read_blocks([str(flow_log)])]
    return int(min(each.min() for each in ends)), int(max(each.max() for each in ends))


def _replay(flow_log: Path, judge: Judge, loop: Loop) -> None:
    for messages in read_blocks([str(flow_log)]):
        batch = decode(messages).batch
        verdicts = judge.evaluate(batch, judge.resolve(batch))
        actions = [each.enforced.action if each.enforced else "unknown" for each in verdicts.outcomes]
        intruder, rows = _intruder(batch), _later(batch, loop.cut)
        for row in rows:
            started, action = int(batch.num_flows_started[row]), actions[int(verdicts.outcome[row])]
            if intruder[row]:
                if batch.reporter[row] != REPORTERS.index("src"):
                    continue  # stopped at its source, it has no record at its destination
                loop.intruder.add(started, action)
            elif batch.action[row] == ACTIONS.index("allow") and _answered(batch, row):
                loop.legitimate.add(started, action)
                if batch.endpoints[int(batch.source[row])].name_aggr.startswith(NIGHTLY):
                    loop.nightly.add(started, action)


def _later(batch: FlowBatch, cut: int) -> Iterator[int]:
    return iter(np.flatnonzero(batch.end // HOUR_MS >= cut).tolist())


def _answered(batch: FlowBatch, row: int) -> bool:
    received = batch.packets_in if batch.reporter[row] == REPORTERS.index("src") else batch.packets_out
    return bool(received[row])


def _intruder(batch: FlowBatch) -> Bools:
    """What the intruder's workload does beside asking for names, which is all it has to do: as its own
    side reports it, since that is where it is stopped."""
    namespace, name = INTRUDER.split("/")
    its = np.array([e.namespace == namespace and e.name_aggr.startswith(name) for e in batch.endpoints])
    return np.asarray(its[batch.source] & (batch.dest_port != DNS_PORT))

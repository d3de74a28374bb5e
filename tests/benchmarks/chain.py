"""What the chain costs from Kafka's bytes to Elasticsearch's, stage by stage, and observing beside it."""

from collections.abc import Sequence

import orjson

from pipeline.annotate import annotate
from pipeline.decode import Limits, decode
from pipeline.flow import FlowBatch, Message
from pipeline.index import bulk_body
from pipeline.judge import Judge
from pipeline.match.verdict import Verdicts
from pipeline.observe import HOUR_MS, observe
from pipeline.recommend.offline import NO_THREATS
from pipeline.resolve import Resolved
from tests.benchmarks import second_opinion
from tests.benchmarks.costs import Costs
from tests.benchmarks.inputs import MANY, POLICIES, Sample, in_full, messages, one_by_one, sample, short

RUNS, BATCH_FLOWS = 7, 15_000
STAGES = ("decode", "resolve and evaluate", "annotate", "observe", "bulk body")
FORMS = {
    "aggregated, in full": in_full,
    "aggregated, without labels and what says nothing": short,
}


def report() -> None:
    cluster = sample()
    print(f"The chain, in one process on one core: the sample cluster, {POLICIES} policies, traces on")
    for name, form in FORMS.items():
        lines = form(cluster.lines)
        print(f" {name}: {sum(map(len, lines)) / len(lines):.0f} bytes a flow")
        _report_form(cluster, lines)
    _report_decoding_alone(one_by_one(cluster.lines))


def _report_form(cluster: Sample, lines: Sequence[bytes]) -> None:
    costs, judge = Costs(), cluster.judge()
    many = _batches(messages(lines, MANY), BATCH_FLOWS // MANY)
    single = _batches(messages(lines, 1), BATCH_FLOWS)
    for _ in range(1 + RUNS):
        costs.start_run()
        costs.measure("orjson", lambda: [orjson.loads(line) for line in lines])
        classes = _run(many, judge, costs)
        _run(single, judge, costs, " of one")
    dicts = costs.of("orjson", flows=len(lines))
    _print("orjson to dicts, nothing else", dicts, dicts)
    for stage in STAGES:
        _print(f"{MANY} flows a message: {stage}", costs.of(stage, flows=len(lines)), dicts)
    _print(f"{MANY} flows a message: all", costs.of(*STAGES, flows=len(lines)), dicts)
    _print(
        "one flow a message: all", costs.of(*(f"{each} of one" for each in STAGES), flows=len(lines)), dicts
    )
    agreed = _checked(many[0], judge)
    print(f"   {classes} classes in {len(many)} batches; {agreed} of the first's agree with the reference")


def _report_decoding_alone(lines: Sequence[bytes]) -> None:
    costs, batches = Costs(), _batches(messages(lines, MANY), BATCH_FLOWS // MANY)
    for _ in range(1 + RUNS):
        costs.start_run()
        costs.measure("orjson", lambda: [orjson.loads(line) for line in lines])
        for batch in batches:
            costs.measure("decode", decode, batch, None, Limits())
    print(" no two flows with the same ends, in full")
    _print("orjson to dicts, nothing else", dicts := costs.of("orjson", flows=len(lines)), dicts)
    _print(f"{MANY} flows a message: decode", costs.of("decode", flows=len(lines)), dicts)


def _print(what: str, cost: float, dicts: float) -> None:
    print(f"   {what:<46} {cost:6.2f} µs {1e6 / cost:>10,.0f} flows/s {dicts / cost:6.2f} of orjson's rate")


def _batches(every: Sequence[Message], size: int) -> list[Sequence[Message]]:
    return [every[at : at + size] for at in range(0, len(every), size)]


def _run(batches: Sequence[Sequence[Message]], judge: Judge, costs: Costs, suffix: str = "") -> int:
    classes = 0
    for batch in batches:
        flows = costs.measure(f"decode{suffix}", decode, batch, None, Limits()).batch
        verdicts, resolved = costs.measure(f"resolve and evaluate{suffix}", _verdicts, judge, flows)
        documents = costs.measure(f"annotate{suffix}", annotate, flows, verdicts, "bench", 0)
        costs.measure(f"observe{suffix}", observe, flows, verdicts, resolved, HOUR_MS, 0, NO_THREATS)
        costs.measure(f"bulk body{suffix}", bulk_body, documents)
        classes += verdicts.classes
    return classes


def _verdicts(judge: Judge, flows: FlowBatch) -> tuple[Verdicts, Resolved]:
    resolved = judge.resolve(flows)
    return judge.evaluate(flows, resolved), resolved


def _checked(batch: Sequence[Message], judge: Judge) -> int:
    flows = decode(batch).batch
    resolved = judge.resolve(flows)
    return second_opinion.check(judge, flows, resolved, judge.evaluate(flows, resolved))

"""What flows cost from Kafka to the body of the bulk request, with nothing behind it."""

import time

from agents.flows_topic import FlowsTopic
from pipeline.decode import Limits
from pipeline.index import bulk_body
from pipeline.judge import Judge
from pipeline.process import process
from tests.agents.installation import Installation
from tests.benchmarks.inputs import MANY, Sample, in_full, sample, short
from tests.benchmarks.installations import installed, produce

TIMES, RUNS = 4, 5
# Of a Faust agent that takes one flow a message and does nothing but decode: flows/s, on a core of that kind.
FAUST = 13_000


def report() -> None:
    """Print CPU a flow of the whole process, the Kafka client's threads too: the best of RUNS, and all."""
    cluster = sample()
    print("From Kafka to the bulk body, one process, CPU of all its threads; batches packed with zstd")
    print(f"   (a Faust agent, one flow a message, decoding only: {FAUST:,} flows/s)")
    for name, lines in (("1.1 kB", in_full(cluster.lines)), ("600 bytes", short(cluster.lines))):
        for form, each in (("many flows a message", MANY), ("one flow a message", 1)):
            with installed() as installation:
                flows = produce(installation, lines, each, TIMES)
                _report_form(f"{name}, {form}", installation, cluster, flows)


def _report_form(what: str, installation: Installation, cluster: Sample, flows: int) -> None:
    judge = cluster.judge()
    costs = []
    for run in range(1 + RUNS):
        installation.options["FLOWTIER_WORKER_GROUP"] = f"run-{run}"
        costs.append(_cost(installation, judge, flows))
    costs = sorted(costs[1:])  # the first run makes what is made once
    middle = costs[len(costs) // 2]
    print(f"   {what:<32} {middle:6.2f} µs {1e6 / middle:>9,.0f} flows/s    best {1e6 / costs[0]:>9,.0f}")


def _cost(installation: Installation, judge: Judge, flows: int) -> float:
    """CPU µs a flow, of all that it takes to have read them."""
    start, done = time.process_time(), 0
    topic = FlowsTopic(installation.settings)
    while done < flows:
        if taken := topic.take():
            processed = process(taken.messages, judge, None, Limits())
            bulk_body(processed.documents)
            done += len(processed.documents)
    cost = (time.process_time() - start) / flows * 1e6
    topic.close()
    return cost

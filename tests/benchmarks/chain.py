"""What the chain costs from Kafka's bytes to Elasticsearch's: decode ▸ resolve ▸ evaluate ▸ annotate."""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import orjson

from deploy.demo.generate import INTERVAL, SEED, window_until, write_sample
from pipeline.decode import Limits
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.index import bulk_body
from pipeline.judge import Judge
from pipeline.policy.load import load_paths
from pipeline.policy.revision import to_policies
from pipeline.process import process

FLOWS, HOURS, RUNS = 60_000, 26, 5
MESSAGE_FLOWS = {"many flows a message": 500, "one flow a message": 1}


def report() -> None:
    with tempfile.TemporaryDirectory() as folder:
        window = window_until(datetime(2026, 1, 20, tzinfo=UTC), HOURS, INTERVAL)
        sample = write_sample(Path(folder), window, FLOWS, SEED)
        loaded = load_paths([sample.policies, sample.facts])
        lines = sample.flow_log.read_bytes().splitlines()
    size = sum(map(len, lines)) / len(lines)
    print(f"The chain, in one process on one core: the sample cluster, {size:.0f} bytes a flow, traces on")
    dicts = _rate(lambda: [orjson.loads(line) for line in lines], len(lines))
    print(f"  orjson to dicts, nothing else        {dicts:>9,.0f} flows/s")
    for name, each in MESSAGE_FLOWS.items():
        messages = [
            Message(b"\n".join(lines[at : at + each]), "bench", 0, at, 0) for at in range(0, len(lines), each)
        ]
        facts = Facts.from_resources(resource.plain for resource in loaded.facts)
        judge = Judge(to_policies(loaded), facts, "bench", 0, 4096)

        def run(messages: list[Message] = messages, judge: Judge = judge) -> None:
            bulk_body(process(messages, judge, None, Limits()).documents)

        rate = _rate(run, len(lines))
        print(f"  to the bulk body, {name:<20} {rate:>9,.0f} flows/s  {rate / dicts:.2f} of that")


def _rate(run: Callable[[], object], flows: int) -> float:
    costs = []
    for _ in range(RUNS):
        start = time.process_time()
        run()
        costs.append(time.process_time() - start)
    return flows / median(costs)

"""What a what-if over flows in Elasticsearch costs, beside reading them alone, in one slice and in two."""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from elasticsearch import AsyncElasticsearch

from agents.recorded_flows import recorded_flows
from deploy.demo.generate import INTERVAL, SEED, window_until, write_sample
from pipeline.decode import Limits
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.index import put_templates, write
from pipeline.judge import Judge
from pipeline.policy.load import load_paths
from pipeline.policy.promote import promotable, promote
from pipeline.policy.revision import to_policies
from pipeline.process import process
from pipeline.settings import Settings
from pipeline.whatif.run import World, answers
from tests.benchmarks.inputs import HOURS, MAX_CELLS
from tests.benchmarks.installations import installed

FLOWS, BATCH = 200_000, 10_000
DAY = 86_400


def report() -> None:
    """Print rates; the sample cluster's staged policies are enforced in thought."""
    now = datetime.now(UTC)
    with TemporaryDirectory(prefix="flowtier-benchmark-") as folder, installed() as installation:
        written = write_sample(Path(folder), window_until(now, HOURS, INTERVAL), FLOWS, SEED)
        loaded = load_paths([written.policies, written.facts])
        policies = to_policies(loaded)
        facts = Facts.from_resources(resource.plain for resource in loaded.facts)
        settings = installation.settings
        before = World(policies, facts)
        after = World(promote(policies, promotable(policies)), facts)
        lines = written.flow_log.read_bytes().splitlines()
        asyncio.run(_write(settings, lines, before))
        count = len(lines)
        print(f"What-if over {count:,} flows in Elasticsearch, a point in time read in slices side by side")
        until = now.timestamp() + DAY
        for slices in (1, 2):
            began = time.perf_counter()
            read = sum(map(len, recorded_flows(settings, 0, until, slices)))
            alone = read / (time.perf_counter() - began)
            began = time.perf_counter()
            pages = recorded_flows(settings, 0, until, slices)
            judged = sum(answer.flows for answer in answers(pages, before, [after], MAX_CELLS, slices))
            whole = judged / (time.perf_counter() - began)
            assert read == judged == count
            print(f"  {slices} slices: read {alone:,.0f} flows/s; read and judged {whole:,.0f} flows/s")


async def _write(settings: Settings, lines: list[bytes], world: World) -> None:
    judge = Judge(world.policies, world.facts, settings.cluster, 0, MAX_CELLS)
    async with AsyncElasticsearch(**settings.elasticsearch.client_options()) as client:
        await put_templates(client)
        for at in range(0, len(lines), BATCH):
            message = Message(b"\n".join(lines[at : at + BATCH]), "bench", 0, at, 0)
            documents = process([message], judge, None, Limits()).documents
            assert not (await write(client, documents)).rejects
        await client.indices.refresh(index=f"flowtier_flows.{settings.cluster}.*")

"""Flows read back from the real Elasticsearch: each once, of one moment, or one sentence."""

import time
from collections.abc import Callable

import orjson
import pytest
from click.testing import CliRunner
from elasticsearch import AsyncElasticsearch

from agents.in_force import TopicsInForce
from agents.reach import ReachError
from agents.recorded_flows import recorded_flows
from pipeline.cli.whatif import whatif
from pipeline.decode import Limits
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.index import put_templates, write
from pipeline.judge import Judge
from pipeline.policy.load import load_texts
from pipeline.policy.revision import to_policies
from pipeline.process import process
from tests.agents.installation import ALLOW_ALL, Installation, flow, lines

FLOWS = 12_000
DENY_ONE_PORT = """
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: port}
spec:
  order: 0
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [9999]}}]
"""


@pytest.fixture
def index(installation: Installation, search: AsyncElasticsearch) -> Callable[..., object]:
    """Writes flows as a worker does."""
    judge = Judge(to_policies(load_texts([("all", ALLOW_ALL.encode())])), Facts(), installation.name, 0, 64)

    async def write_all(flows: list[dict[str, object]], offset: int = 0) -> None:
        await put_templates(search)
        documents = process([Message(lines(flows), "t", 0, offset, 0)], judge, None, Limits()).documents
        assert len(documents) == len(flows)
        assert not (await write(search, documents)).rejects
        await search.indices.refresh(index=f"flowtier_flows.{installation.name}.*")

    return write_all


def span() -> tuple[float, float]:
    """Around the flows of this moment."""
    return time.time() - 900, time.time() + 900


def numbers(pages: list[list[Message]]) -> list[int]:
    return sorted(orjson.loads(message.value or b"")["bytes_in"] for page in pages for message in page)


@pytest.mark.parametrize("at_once", [1, 3])
async def test_every_flow_of_the_time_is_read_once(installation, index, at_once) -> None:
    before = flow(FLOWS)
    before |= {name: before[name] - 1_200 for name in ("start_time", "end_time")}
    await index([*(flow(number) for number in range(FLOWS)), before])
    found = list(recorded_flows(installation.settings, *span(), at_once))
    assert numbers(found) == list(range(FLOWS))
    assert len(found) >= 3


async def test_a_flow_is_read_as_its_node_wrote_it(installation, index) -> None:
    written = flow(1, num_flows_started=7)
    await index([written])
    ((message,),) = recorded_flows(installation.settings, *span(), 1)
    read = orjson.loads(message.value or b"")
    assert read.items() >= written.items()
    assert "verdict" not in read
    assert message.timestamp == written["end_time"] * 1000


async def test_what_is_written_while_one_reads_is_not_seen(installation, index) -> None:
    await index([flow(number) for number in range(FLOWS)])
    pages = recorded_flows(installation.settings, *span(), 1)
    first = next(pages)
    await index([flow(number) for number in range(FLOWS, FLOWS + 10)], offset=1)
    assert numbers([first, *pages]) == list(range(FLOWS))


async def test_a_cluster_without_flows_is_told_of(installation) -> None:
    with pytest.raises(ReachError, match=rf"no flows of this cluster: .*flowtier_flows\.{installation.name}"):
        list(recorded_flows(installation.settings, *span(), 2))


async def test_an_elasticsearch_that_ends_in_the_middle_is_one_sentence(installation, index, search) -> None:
    await index([flow(number) for number in range(FLOWS)])
    pages = recorded_flows(installation.settings, *span(), 1)
    next(pages)
    for name in await search.indices.get(index=f"flowtier_flows.{installation.name}.*"):
        await search.indices.delete(index=name)
    with pytest.raises(ReachError, match="ended while flows were read, so nothing is told of them"):
        list(pages)


async def test_what_would_change_is_asked_of_recorded_flows(
    installation, index, tmp_path, monkeypatch
) -> None:
    for name, value in installation.environment.items():
        monkeypatch.setenv(name, value)
    installation.publish(ALLOW_ALL)
    await index([flow(number, dest_port=9999 if number < 3 else 8080) for number in range(100)])
    (directory := tmp_path / "head").mkdir()
    (directory / "policies.yaml").write_text(f"{ALLOW_ALL}---{DENY_ONE_PORT}")
    arguments = ["cluster", str(directory), "--since", "1h", "--json", "--jobs", "2"]
    done = CliRunner().invoke(whatif, arguments, obj=TopicsInForce())
    assert done.exit_code == 0, (done.output, done.exception)
    report = orjson.loads(done.stdout)
    assert report["flows"] == 100
    assert report["totals"]["newly_denied"] == {"edges": 1, "connections": 3, "bytes": 6}
    assert report["totals"]["unknown"]["edges"] == 0

"""Documents of edges are written by whoever is further, and by nobody else."""

from collections.abc import AsyncIterator

import pytest

from agents.elastic import Elastic
from agents.health import Health
from agents.write_edges import WriteEdges
from pipeline.edges import NOTHING, roll_up
from pipeline.index import Bulk, put_templates
from pipeline.index_versions import Versioned, Versions
from pipeline.kept import Kept
from tests.agents.installation import Installation
from tests.pipeline.edge_messages import NOW, edge, message

BULK = Bulk()


@pytest.fixture
async def elastic(installation: Installation, search) -> AsyncIterator[Elastic]:
    await put_templates(search)
    made = Elastic(installation.settings, Health())
    made.ready.set()
    yield made
    await made.client.close()


@pytest.fixture
def kept(installation: Installation) -> Kept:
    return Kept(installation.name, installation.settings.edges)


async def flows(search, installation: Installation) -> list[int]:
    """Of the three windows' documents."""
    index = f"flowtier_edges.{installation.name}.*"
    await search.indices.refresh(index=index)
    found = await search.search(index=index)
    return [each["_source"]["flows"] for each in found["hits"]["hits"]]


async def test_a_stale_worker_overwrites_nothing_and_learns_that_it_is(
    installation, search, elastic, kept
) -> None:
    messages = [message(offset, [edge(flows=10**offset)]) for offset in range(4)]
    stale = WriteEdges(installation.settings.elasticsearch, elastic)
    await stale.write(roll_up(messages[:1], kept, NOW).added)
    await WriteEdges(installation.settings.elasticsearch, elastic).write(
        roll_up(messages[1:3], kept, NOW).added
    )
    outcome = await stale.write(roll_up(messages[1:2], kept, NOW).added)
    assert (outcome.written, len(outcome.stale)) == (0, 3)
    assert await flows(search, installation) == [111] * 3
    await stale.write(roll_up(messages[3:], kept, NOW).added)
    assert await flows(search, installation) == [1111] * 3


async def test_messages_that_are_counted_already_are_not_counted_again(
    installation, search, elastic, kept
) -> None:
    messages = [message(offset, [edge(flows=10**offset)]) for offset in range(3)]
    await WriteEdges(installation.settings.elasticsearch, elastic).write(
        roll_up(messages[:2], kept, NOW).added
    )
    writer = WriteEdges(installation.settings.elasticsearch, elastic)
    for _ in range(2):
        await writer.write(roll_up(messages, kept, NOW).added)
        assert await flows(search, installation) == [111] * 3
        writer.forget()


async def test_what_elasticsearch_can_never_take_is_told_and_its_neighbours_are_written(
    installation, search, elastic, kept
) -> None:
    added = roll_up([message(0, [edge(), edge(port=1)])], kept, NOW).added
    bad = next(iter(added))
    added[bad].fields = added[bad].fields.replace(b'"dest_port":8080', b'"dest_port":"many"')
    outcome = await WriteEdges(installation.settings.elasticsearch, elastic).write(added)
    assert outcome.rejected.keys() == {bad}
    assert "dest_port" in outcome.rejected[bad]
    assert (outcome.written, outcome.stale) == (5, set())
    assert await flows(search, installation) == [1] * 5


async def test_many_documents_are_written_and_read_in_parts(installation, search, kept) -> None:
    await put_templates(search)
    added = roll_up([message(0, [edge(port=port) for port in range(1, 1_001)])], kept, NOW).added
    retries: list[str] = []
    versions = Versions(search, Bulk(documents=700, size=10**6), lambda why, *_: retries.append(why))
    documents = [
        Versioned(place, 1, each.document(NOTHING.with_(each).figures)) for place, each in added.items()
    ]
    outcome = await versions.write(documents)
    assert (outcome.written, outcome.rejected, outcome.stale, retries) == (3_000, {}, set(), [])

"""Whole indices are deleted once all in them has aged out, and nothing else ever is."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from elasticsearch import AsyncElasticsearch

from agents.elastic import Elastic
from agents.health import Health
from agents.retention import Retention
from pipeline.index import put_templates
from pipeline.kept import all_series
from tests.agents.installation import ALLOW_ALL, Installation
from tests.waiting import until

NOW = datetime.now(UTC)
AGED_OUT = {
    "flowtier_flows.{}": NOW - timedelta(9 + 1),
    "flowtier_rejects.{}": NOW - timedelta(31 + 1),
    "flowtier_edges.{}.interval": NOW - timedelta(3 + 1),
    "flowtier_edges.{}.hour": NOW - timedelta(37 + 1),
    "flowtier_edges.{}.day": NOW - timedelta(431 + 1),
    "flowtier_rules.{}": NOW - timedelta(37 + 1),
}
# Of another cluster, of nobody's, or of no period.
STRANGE = [
    "flowtier_flows.{}x.20200101",
    "flowtier_flows.{}.20200101-reindexed",
    "flowtier_flows.{}.202001",
    "flowtier_flows.{}.20201301",
    "flowtier_edges.{}.hour.20200101",  # no Monday
    "flowtier_edges.{}.minute.20200101",
    "flowtier_edges.{}.day.20200101",
    "flowtier_flows-{}.20200101",
    "flowtier_recommendations.{}",
    "flowtier_policies.{}",
    "other.{}.20200101",
]


@pytest.fixture
async def elastic(installation: Installation) -> AsyncIterator[Elastic]:
    made = Elastic(installation.settings, Health())
    yield made
    await made.client.close()


def aged_out(installation: Installation) -> list[str]:
    """An index of each kind that was kept until yesterday at the latest."""
    stems = {each.stem: each for each in all_series(installation.settings)}
    times = {stem.format(installation.name): int(at.timestamp() * 1000) for stem, at in AGED_OUT.items()}
    assert times.keys() == stems.keys()
    return [stems[stem].index_of(ms) for stem, ms in times.items()]


async def there(search: AsyncElasticsearch, installation: Installation) -> set[str]:
    found = await search.indices.get(index=f"*{installation.name}*", expand_wildcards="all")
    return set(found.body)


async def test_only_what_has_aged_out_is_deleted(installation, search, elastic) -> None:
    now = int(NOW.timestamp() * 1000)
    old = aged_out(installation)
    kept = [each.index_of(now) for each in all_series(installation.settings)]
    kept += [each.format(installation.name) for each in STRANGE]
    for index in (*old, *kept):
        await search.indices.create(index=index)
    assert await there(search, installation) == {*old, *kept}
    await Retention(installation.settings, Health(), elastic).delete(NOW.timestamp())
    assert await there(search, installation) == set(kept)


async def test_workers_that_delete_at_once_do_not_disturb_each_other(installation, search, elastic) -> None:
    for index in aged_out(installation):
        await search.indices.create(index=index)
    workers = [Retention(installation.settings, Health(), elastic) for _ in range(5)]
    await asyncio.gather(*(each.delete(NOW.timestamp()) for each in workers))
    assert await there(search, installation) == set()


async def test_an_alias_that_looks_like_an_old_index_costs_nothing(installation, search, elastic) -> None:
    index, [alias, *_] = f"mine.{installation.name}", aged_out(installation)
    await search.indices.create(index=index, aliases={alias: {}})
    await Retention(installation.settings, Health(), elastic).delete(NOW.timestamp())
    assert await there(search, installation) == {index}


async def test_where_nothing_is_nothing_is_deleted(installation, search, elastic) -> None:
    await Retention(installation.settings, Health(), elastic).delete(NOW.timestamp())
    assert await there(search, installation) == set()


async def test_the_worker_deletes_as_it_starts(installation, search) -> None:
    [old, *_] = aged_out(installation)
    await search.indices.create(index=old)
    installation.publish(ALLOW_ALL)
    worker = installation.start_worker()
    await asyncio.to_thread(
        until, lambda: worker.address and worker.metric("flowtier_indices_deleted_total") == 1, 60
    )
    assert old not in await there(search, installation)


async def test_policies_of_earlier_revisions_are_kept_as_long_as_what_their_rules_matched(
    installation, search, elastic
) -> None:
    days = {"long-ago": 31, "of-late": 29, "in-force": 300, "published-later": 31}
    index = f"flowtier_policies.{installation.name}"
    await put_templates(search)
    for number, revision in enumerate(("long-ago", "of-late", "published-later", "in-force")):
        at = int((NOW - timedelta(days[revision])).timestamp() * 1000)
        document = {"revision": revision, "revision_number": number, "@timestamp": at}
        await search.index(index=index, document=document, refresh=True)
    await Retention(installation.settings, Health(), elastic).delete_policies(NOW.timestamp())
    await search.indices.refresh(index=index)
    found = await search.search(index=index)
    assert {hit["_source"]["revision"] for hit in found["hits"]["hits"]} == {"of-late", "in-force"}


async def test_without_policies_nothing_is_deleted(installation, elastic) -> None:
    await Retention(installation.settings, Health(), elastic).delete_policies(NOW.timestamp())

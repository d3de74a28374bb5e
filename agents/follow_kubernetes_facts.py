"""The facts of a Kubernetes API, one by one: since when each was, and until when."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from math import inf
from typing import NamedTuple

import orjson
import structlog

from agents.kubernetes_api import Event, KubernetesApi
from agents.kubernetes_errors import GoneError, KubernetesError
from agents.kubernetes_kinds import Served, ServedKinds
from agents.kubernetes_watch import watch_for_ever
from pipeline.facts import continues, fact_key
from pipeline.facts_records import Told
from pipeline.policy.facts_resources import Fact, Pod
from pipeline.policy.load import load_texts
from pipeline.policy.resources import KINDS, Document, Kind

log = structlog.get_logger(__name__)

FACT_KINDS = tuple(kind for kind in KINDS if kind.role == "fact")

type Tell = Callable[[list[Told]], Awaitable[None]]


class Seen(NamedTuple):
    """A fact as an object tells it: `created` and `ends` in epoch seconds (inf: it does not say)."""

    fact: Fact
    created: float
    ends: float


class Lifetimes:
    """What has been told of the facts that still are, by their key, and what is to be told next.

    A fact begins when its object was created, another version of it when it is seen, and ends as its object
    says (a pod's) or when that is seen to be gone.
    """

    def __init__(self, known: Iterable[Told]) -> None:
        self._known = {fact_key(told.fact): told for told in known}

    def put(self, seen: Seen, now: float) -> list[Told]:
        """An object is as seen."""
        key = fact_key(seen.fact)
        before = self._known.get(key)
        told = Told(seen.fact, _since(before, seen, now), seen.ends)
        if told == before:
            return []
        self._known[key] = told
        return [told]

    def end(self, seen: Seen, now: float) -> list[Told]:
        """An object is gone; `seen` is how it was last."""
        before = self._known.pop(fact_key(seen.fact), None)
        since = _since(before, seen, now)
        told = Told(seen.fact, since, max(since, min(seen.ends, now)))
        return [] if told == before else [told]

    def whole(self, kind: str, seen: Iterable[Seen], now: float) -> Iterator[Told]:
        """All objects of a kind: what is not among them is gone, and nobody saw when."""
        found = {fact_key(each.fact): each for each in seen}
        for each in found.values():
            yield from self.put(each, now)
        gone = [key for key in self._known if key.startswith(f"{kind}/") and key not in found]
        for key in gone:
            told = self._known.pop(key)
            if told.until > now:
                yield replace(told, until=max(told.since, now))


def _since(before: Told | None, seen: Seen, now: float) -> float:
    if before is None or before.until <= seen.created:
        return seen.created
    return before.since if continues(before.fact, seen.fact) else now


class KubernetesFacts:
    """Follows every kind of fact, and tells what is new of them."""

    def __init__(self, api: KubernetesApi, known: Iterable[Told], tell: Tell) -> None:
        self._api = api
        self._lifetimes = Lifetimes(known)
        self._tell = tell
        self._versions: dict[str, str] = {}  # from where each kind is to be watched on

    async def read(self) -> None:
        """Tells how all of them are now. Raises KubernetesError."""
        served = await ServedKinds(self._api, FACT_KINDS).find()
        for each in served:
            self._versions[each.path] = await self._list(each)
        for kind in FACT_KINDS:
            if all(each.kind is not kind for each in served):
                await self._none(kind)

    async def watch(self) -> None:
        """Tells whatever changes, without end."""
        async with asyncio.TaskGroup() as group:
            for kind in FACT_KINDS:
                served = ServedKinds(self._api, [kind])
                group.create_task(watch_for_ever(served, self._watch, partial(self._none, kind)))

    async def _none(self, kind: Kind) -> None:
        await self._tell(list(self._lifetimes.whole(kind.name, [], time.time())))

    async def _list(self, served: Served) -> str:
        listing = await self._api.list(served.path)
        seen = await asyncio.to_thread(lambda: [s for each in listing.objects for s in _seen(served, each)])
        await self._tell(list(self._lifetimes.whole(served.kind.name, seen, time.time())))
        return listing.version

    async def _watch(self, served: Served) -> None:
        version = self._versions.pop(served.path, None) or await self._list(served)
        try:
            while True:
                async for event in self._api.watch(served.path, version):
                    await self._take(served, event)
                    version = event.version
        except GoneError:
            raise
        except KubernetesError:
            self._versions[served.path] = version
            raise

    async def _take(self, served: Served, event: Event) -> None:
        if event.type != "BOOKMARK":
            change = self._lifetimes.end if event.type == "DELETED" else self._lifetimes.put
            for seen in _seen(served, event.object):
                await self._tell(change(seen, time.time()))


def _seen(served: Served, item: Document) -> Iterator[Seen]:
    """The fact that an object is; none where it cannot be read, which is logged."""
    metadata = item["metadata"]
    loaded = load_texts([(f"{served.kind.name} {metadata['name']}", orjson.dumps(served.manifest(item)))])
    for problem in loaded.problems:
        log.warning("a fact cannot be read", reason=str(problem))
    created = datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()
    for resource in loaded.facts:
        fact = resource.plain
        deleted = fact.deleted if isinstance(fact, Pod) else None
        yield Seen(fact, created, inf if deleted is None else deleted)

"""The policies of a Kubernetes API, whole: all kinds as they were at one version of its store."""

import asyncio
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

import orjson
import structlog

from agents.kubernetes_api import KubernetesApi, Listing
from agents.kubernetes_errors import AbsentError, GoneError, KubernetesError
from agents.kubernetes_kinds import Served, ServedKinds
from agents.kubernetes_watch import watch_for_ever
from pipeline.policy.load import Loaded, load_texts
from pipeline.policy.resources import KINDS, Document

log = structlog.get_logger(__name__)

POLICY_KINDS = tuple(kind for kind in KINDS if kind.role == "policy")
# Always served, and by Kubernetes itself: its listing tells the store's newest version.
_NEWEST = "/apis/networking.k8s.io/v1/networkpolicies"
_TRIES = 5
# A change is read once it has been quiet for so long, and no later than so: `kubectl apply -f DIR` is many.
_QUIET_SECONDS = 0.5
_LONGEST_SECONDS = 2.0


class State(NamedTuple):
    """What is in force at a version of the store, and how often each kind is there."""

    version: str
    loaded: Loaded


class KubernetesPolicies:
    """Reads what is in force, and tells when to read again.

    Watches of several kinds come in no order: what they say together may never have been. So they only say
    *that* something changed. It is then read from the store itself: its newest version first, then each kind
    exactly at that version (`resourceVersionMatch=Exact`), which is one and the same for all kinds that
    Kubernetes keeps in one etcd. Each state is hence one that was; of those that followed each other within
    a moment, some are passed over, and none is seen after a later one.

    A kind whose API cannot read at a version (one that is aggregated, and not kept by Kubernetes) is taken
    as it answers, with a warning: between it and the others no such promise can be made.
    """

    def __init__(self, api: KubernetesApi) -> None:
        self._api = api
        self._served = ServedKinds(api, POLICY_KINDS)
        self._known: dict[str, tuple[str, Loaded]] = {}  # by object: its version, what it was loaded as
        self._inexact: set[str] = set()
        self._changed = asyncio.Event()

    async def read(self) -> State:
        """What is in force now. Raises KubernetesError."""
        for _ in range(_TRIES):
            try:
                return await self._read()
            except (GoneError, AbsentError) as error:  # compacted, or a kind removed, in this very moment
                log.info("what was to be read is gone: read anew", reason=str(error))
        raise KubernetesError(f"Kubernetes at {self._api.url}: no version stays long enough to be read")

    async def _read(self) -> State:
        served = await self._served.find()
        version = str((await self._api.get(_NEWEST, limit=1))["metadata"]["resourceVersion"])
        listings = await asyncio.gather(*(self._list(each, version) for each in served))
        objects = [
            each.manifest(found)
            for each, listing in zip(served, listings, strict=True)
            for found in listing.objects
        ]
        return State(version, await asyncio.to_thread(self._load, objects))

    async def watch(self) -> None:
        """Watches every kind without end; `settle` tells of what happens."""
        async with asyncio.TaskGroup() as group:
            for kind in POLICY_KINDS:
                group.create_task(watch_for_ever(ServedKinds(self._api, [kind]), self._watch))

    async def settle(self) -> None:
        """Waits until something has changed since it was last called, and then for a quiet moment."""
        await self._changed.wait()
        loop = asyncio.get_running_loop()
        latest = loop.time() + _LONGEST_SECONDS
        while (left := latest - loop.time()) > 0:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), min(_QUIET_SECONDS, left))
            except TimeoutError:
                break
        self._changed.clear()

    async def _watch(self, served: Served) -> None:
        answer = await self._api.get(served.path, limit=1)
        version = str(answer["metadata"]["resourceVersion"])
        self._changed.set()  # whoever reads after this sees all that was before that version
        while True:
            async for event in self._api.watch(served.path, version):
                version = event.version
                if event.type != "BOOKMARK":
                    self._changed.set()

    async def _list(self, served: Served, version: str) -> Listing:
        listing = await self._api.list(served.path, resourceVersion=version, resourceVersionMatch="Exact")
        if listing.version != version and served.path not in self._inexact:
            self._inexact.add(served.path)
            log.warning("an API does not read at a version: it may be a moment ahead", path=served.path)
        return listing

    def _load(self, objects: Iterable[Document]) -> Loaded:
        """What the objects say; only those that changed are checked again."""
        known, self._known = self._known, {}
        for item in objects:
            metadata = item["metadata"]
            name = f"{item['apiVersion']} {item['kind']} {_of(metadata)}"
            version = f"{metadata['uid']} {metadata['resourceVersion']}"
            before = known.get(name)
            loaded = (
                before[1] if before and before[0] == version else load_texts([(name, orjson.dumps(item))])
            )
            self._known[name] = version, loaded
        return _together([loaded for _, loaded in self._known.values()])


def _of(metadata: Document) -> str:
    return "/".join(metadata[part] for part in ("namespace", "name") if part in metadata)


def _together(parts: Iterable[Loaded]) -> Loaded:
    """One of many; the objects of a cluster have distinct keys."""
    parts = list(parts)
    return Loaded(
        policies=tuple(sorted(chain(*(part.policies for part in parts)), key=lambda each: each.key)),
        problems=tuple(chain(*(part.problems for part in parts))),
        warnings=tuple(chain(*(part.warnings for part in parts))),
    )

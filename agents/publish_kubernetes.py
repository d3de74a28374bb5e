"""Publishes what is in force in Kubernetes: policies as whole revisions, facts one by one."""

import asyncio
import signal
from contextlib import suppress
from dataclasses import dataclass

import structlog

from agents.follow_kubernetes_facts import FACT_KINDS, KubernetesFacts
from agents.follow_kubernetes_policies import POLICY_KINDS, KubernetesPolicies, State
from agents.kubernetes_access import Access
from agents.kubernetes_api import KubernetesApi
from agents.kubernetes_errors import KubernetesError
from agents.kubernetes_kinds import ServedKinds, require_rights
from agents.publish import OwnerError, PublishError, publish
from agents.publish_origin import who
from agents.reach import ReachError
from agents.tell_facts import TellFacts
from agents.topics import TopicError
from pipeline.policy.load import Loaded
from pipeline.policy.problems import ManifestError
from pipeline.policy.resources import Document
from pipeline.revisions import Origin
from pipeline.settings import Settings

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 5.0
# The one namespace that every cluster has and that is never made anew: its uid tells clusters apart.
_IDENTITY = "/api/v1/namespaces"
_IDENTITY_NAME = "kube-system"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be published: `source` and `by` where they are given, policies unless `facts_only`."""

    access: Access
    source: str | None = None
    by: str | None = None
    facts_only: bool = False
    takeover: bool = False
    once: bool = False


def run(settings: Settings, wanted: Wanted) -> None:
    """Publishes until told to stop, which ends it in order; raises as `publish_kubernetes`."""

    async def until_told() -> None:
        publishing = asyncio.create_task(publish_kubernetes(settings, wanted))
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, publishing.cancel)
        with suppress(asyncio.CancelledError):
            await publishing
            return
        log.info("stopped as told")

    asyncio.run(until_told())


def read(access: Access, source: str | None, by: str | None) -> tuple[Loaded, Origin]:
    """The policies in force now, and whose they would be. Raises KubernetesError."""
    return asyncio.run(_read(access, source, by))


async def publish_kubernetes(settings: Settings, wanted: Wanted) -> None:
    """Publishes what is there now and, unless once, whatever changes, until cancelled.

    What goes wrong before all is published for the first time is raised: KubernetesError, PublishError,
    ReachError and TopicError, with once also ManifestError. Later it is logged and tried again, but for an
    OwnerError: the policies have been taken over.
    """
    async with KubernetesApi(wanted.access) as api:
        kinds = FACT_KINDS if wanted.facts_only else (*POLICY_KINDS, *FACT_KINDS)
        verbs = ("list",) if wanted.once else ("list", "watch")
        await require_rights(api, await ServedKinds(api, kinds).find(), verbs)
        origin = await _origin(api, wanted)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_facts(settings, api, origin.source, once=wanted.once))
                if not wanted.facts_only:
                    group.create_task(_policies(settings, api, origin, wanted))
        except* (KubernetesError, PublishError, ReachError, TopicError, ManifestError) as errors:
            raise _first(errors) from None


async def _read(access: Access, source: str | None, by: str | None) -> tuple[Loaded, Origin]:
    async with KubernetesApi(access) as api:
        wanted = Wanted(access, source, by)
        await require_rights(api, await ServedKinds(api, POLICY_KINDS).find(), ("list",))
        return (await KubernetesPolicies(api).read()).loaded, await _origin(api, wanted)


async def _origin(api: KubernetesApi, wanted: Wanted) -> Origin:
    source = wanted.source or f"kubernetes:{await _identity(api)}"
    return Origin(source=source, by=wanted.by or who())


async def _identity(api: KubernetesApi) -> str:
    answer = await api.get(_IDENTITY, fieldSelector=f"metadata.name={_IDENTITY_NAME}")
    if not answer["items"]:
        raise KubernetesError(f"Kubernetes at {api.url} has no namespace {_IDENTITY_NAME}: name the --source")
    return str(answer["items"][0]["metadata"]["uid"])


async def _facts(settings: Settings, api: KubernetesApi, source: str, *, once: bool) -> None:
    telling = TellFacts(settings, source)
    facts = KubernetesFacts(api, await telling.start(), telling.tell)
    await facts.read()
    await telling.flush()
    log.info("facts published", source=source, told=telling.told)
    if not once:
        async with asyncio.TaskGroup() as group:
            group.create_task(telling.run())
            group.create_task(facts.watch())


async def _policies(settings: Settings, api: KubernetesApi, origin: Origin, wanted: Wanted) -> None:
    policies = KubernetesPolicies(api)
    publishing = _Publishing(settings, origin, takeover=wanted.takeover)
    await publishing.publish(await policies.read(), must=wanted.once)
    if not wanted.once:
        async with asyncio.TaskGroup() as group:
            group.create_task(policies.watch())
            group.create_task(_follow(policies, publishing))


async def _follow(policies: KubernetesPolicies, publishing: "_Publishing") -> None:
    while True:
        await policies.settle()
        while True:
            try:
                await publishing.publish(await policies.read())
            except OwnerError:
                raise
            except (KubernetesError, PublishError, ReachError) as error:
                log.warning("nothing is published: tried again", reason=str(error), seconds=_RETRY_SECONDS)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                break


class _Publishing:
    """Publishes states that differ from the one before; takes over once, not again and again."""

    def __init__(self, settings: Settings, origin: Origin, *, takeover: bool) -> None:
        self._settings = settings
        self._origin = origin
        self._takeover = takeover
        self._last: list[Document] | None = None

    async def publish(self, state: State, *, must: bool = False) -> None:
        """One whole revision. Where an object does not load, none is published, and the one before stays in
        force: `must` raises ManifestError, else it is logged and waited for."""
        documents = [resource.document for resource in state.loaded.policies]
        if not state.loaded.problems and documents == self._last:
            return
        try:
            published = await asyncio.to_thread(
                publish, self._settings, state.loaded, self._origin, takeover=self._takeover
            )
        except ManifestError:
            if must:
                raise
            for problem in state.loaded.problems:
                log.error("not published, the revision before stays in force", reason=str(problem))  # noqa: TRY400
            return
        self._last, self._takeover = documents, False
        revision, changes = published.revision, published.changes
        log.info(
            "revision published",
            revision=revision.revision,
            resources=revision.resources,
            changed=len(changes.new) + len(changes.changed),
            removed=len(changes.removed),
            resource_version=state.version,
        )


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

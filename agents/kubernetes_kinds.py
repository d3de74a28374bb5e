"""The kinds that are loaded as a Kubernetes API serves them: where each is, and whether we may read it."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import structlog

from agents.kubernetes_api import KubernetesApi
from agents.kubernetes_errors import AbsentError, RightsError
from pipeline.policy.resources import Document, Kind, served

log = structlog.get_logger(__name__)

_SEE = "deploy/kubernetes/publisher.yaml has all of them"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_WHO = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@dataclass(frozen=True, slots=True)
class Served:
    """A kind, and the API version that serves it here."""

    kind: Kind
    api_version: str

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def resource(self) -> str:
        return plural(self.kind)

    @property
    def path(self) -> str:
        """Of all its objects, in all namespaces."""
        return f"{_root(self.api_version)}/{self.resource}"

    def manifest(self, item: Document) -> Document:
        """An object with what lists leave out of it."""
        return item | {"apiVersion": self.api_version, "kind": self.kind.name}


def plural(kind: Kind) -> str:
    """What its resource is called in paths and RBAC rules."""
    name = kind.name.lower()
    return f"{name[:-1]}ies" if name.endswith("y") else f"{name}s"


class ServedKinds:
    """Finds where kinds are served, as Calico's API where it is there, else as its storage; says which of
    them are not."""

    def __init__(self, api: KubernetesApi, kinds: Iterable[Kind]) -> None:
        self._api = api
        self._kinds = tuple(kinds)

    async def find(self) -> list[Served]:
        """Those that are served now. Raises KubernetesError."""
        versions = sorted({version for kind in self._kinds for version in served(kind)})
        resources = await asyncio.gather(*(_resources(self._api, version) for version in versions))
        there = dict(zip(versions, resources, strict=True))
        found = [(kind, _served(kind, there)) for kind in self._kinds]
        for kind, place in found:
            name = f"{kind.api_version} {kind.name}"
            if place:
                self._api.absent.discard(name)
            elif name not in self._api.absent:
                self._api.absent.add(name)
                log.warning("a kind is not served here: passed over", kind=name)
        return [place for _, place in found if place]


def _served(kind: Kind, there: dict[str, set[str]]) -> Served | None:
    versions = (version for version in served(kind) if plural(kind) in there[version])
    return next((Served(kind, version) for version in versions), None)


async def _resources(api: KubernetesApi, api_version: str) -> set[str]:
    try:
        return {each["name"] for each in (await api.get(_root(api_version)))["resources"]}
    except AbsentError:
        return set()


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


async def require_rights(api: KubernetesApi, kinds: Iterable[Served], verbs: tuple[str, ...]) -> None:
    """Raises RightsError, naming every rule that is missing in one sentence."""
    rules: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for each in kinds:
        may = await asyncio.gather(*(_may(api, each, verb) for verb in verbs))
        lacking = tuple(verb for verb, allowed in zip(verbs, may, strict=True) if not allowed)
        if lacking:
            rules.setdefault((each.group, lacking), []).append(each.resource)
    if rules:
        told = "; ".join(_rule(group, resources, lacking) for (group, lacking), resources in rules.items())
        raise RightsError(f"Kubernetes at {api.url}: {await _who(api)} lacks the RBAC rules {told}; {_SEE}")


async def _may(api: KubernetesApi, served: Served, verb: str) -> bool:
    attributes = {"group": served.group, "resource": served.resource, "verb": verb}
    answer = await api.post(_REVIEWS, _review("authorization", "Access", resourceAttributes=attributes))
    return bool(answer["status"]["allowed"])


async def _who(api: KubernetesApi) -> str:
    answer = await api.post(_WHO, _review("authentication", ""))
    return str(answer["status"]["userInfo"]["username"])


def _review(group: str, of: str, **spec: object) -> Document:
    return {"apiVersion": f"{group}.k8s.io/v1", "kind": f"SelfSubject{of}Review", "spec": spec}


def _rule(group: str, resources: Iterable[str], verbs: Iterable[str]) -> str:
    of = ", ".join(sorted(resources))
    return f"{{apiGroups: [{group!r}], resources: [{of}], verbs: [{', '.join(verbs)}]}}"

"""A Kubernetes API as plain JSON, with credentials that are loaded again where they are refused."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, NamedTuple, Self, cast

import aiohttp
import orjson
import structlog
from kubernetes_asyncio.client import ApiClient

from agents.kubernetes_access import Access
from agents.kubernetes_connect import connect
from agents.kubernetes_errors import (
    AbsentError,
    CredentialsError,
    GoneError,
    KubernetesError,
    RightsError,
)
from pipeline.policy.resources import Document

log = structlog.get_logger(__name__)

_PAGE = 500  # objects
_ASK = aiohttp.ClientTimeout(total=60, sock_connect=10)
# A watch is ended by the server after so long, and hears a bookmark every minute: silence is a dead line.
_WATCH_SECONDS = 300
_RETIRED = 3
_WATCH = aiohttp.ClientTimeout(sock_connect=10, sock_read=150)
_ERRORS = {401: CredentialsError, 403: RightsError, 404: AbsentError, 410: GoneError}


class Listing(NamedTuple):
    """The objects of a kind as they were at a version of the whole store."""

    version: str
    objects: list[Document]


class Event(NamedTuple):
    """ADDED, MODIFIED, DELETED or BOOKMARK, and the object after it (before it, where it was deleted)."""

    type: str
    object: Document

    @property
    def version(self) -> str:
        return str(self.object["metadata"]["resourceVersion"])


class KubernetesApi:
    """Asks the API, as a context. Whatever it does not answer raises KubernetesError."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self.absent: set[str] = set()  # kinds of which was said that they are not served
        self._client: ApiClient | None = None
        self._retired: list[ApiClient] = []  # those before, on which watches may still be under way
        self._loading = asyncio.Lock()

    @property
    def url(self) -> str:
        """Where the API is, once it was asked."""
        return str(self._client.configuration.host) if self._client else "?"

    async def __aenter__(self) -> Self:
        await self._load(None)
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in (*self._retired, self._client):
            if client:
                await client.close()

    async def get(self, path: str, **query: object) -> Document:
        """The answer to GET."""
        return await self._ask("GET", path, query)

    async def post(self, path: str, body: Document) -> Document:
        """The answer to POST."""
        return await self._ask("POST", path, {}, body)

    async def list(self, path: str, **query: object) -> Listing:
        """All objects of a kind, page by page: all as they were when the first page was read."""
        answer = await self.get(path, limit=_PAGE, **query)
        version, objects = str(answer["metadata"]["resourceVersion"]), answer["items"] or []
        while more := answer["metadata"].get("continue"):
            answer = await self.get(path, **{"limit": _PAGE, "continue": more})
            objects += answer["items"] or []
        return Listing(version, objects)

    async def watch(self, path: str, version: str) -> AsyncIterator[Event]:
        """What changes after a version; ends from time to time, to be called again with the last one's."""
        query = {
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": _WATCH_SECONDS,
        }
        response = await self._respond("GET", path, query, None, _WATCH)
        try:
            async for line in response.content:
                yield self._event(path, orjson.loads(line))
        except (aiohttp.ClientError, OSError, ValueError) as error:  # half a line, where the server died
            raise self._away(path, error) from None
        finally:
            response.close()

    def _event(self, path: str, said: Document) -> Event:
        if said["type"] == "ERROR":
            status = said["object"]
            raise self._error(int(status.get("code") or 500), path, status)
        return Event(said["type"], said["object"])

    async def _ask(
        self, method: str, path: str, query: dict[str, object], body: Document | None = None
    ) -> Document:
        response = await self._respond(method, path, query, body, _ASK)
        try:
            return cast("Document", orjson.loads(await response.read()))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._away(path, error) from None
        finally:
            response.close()

    async def _respond(
        self,
        method: str,
        path: str,
        query: dict[str, object],
        body: Document | None,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - it is what the library takes
    ) -> aiohttp.ClientResponse:
        """A response that is none of an error; where it is not known who we are, asks once more with
        credentials that are loaded anew: a token is replaced in its file, a plugin asked again."""
        client = self._client
        try:
            return await self._once(method, path, query, body, timeout)
        except CredentialsError as error:
            log.warning("Kubernetes refuses our credentials: they are loaded again", reason=str(error))
        await self._load(client)
        return await self._once(method, path, query, body, timeout)

    async def _once(
        self,
        method: str,
        path: str,
        query: dict[str, object],
        body: Document | None,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> aiohttp.ClientResponse:
        assert self._client
        try:
            response: aiohttp.ClientResponse = await self._client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params={"Accept": "application/json"},
                body=body,
                auth_settings=["BearerToken"],
                _preload_content=False,
                _request_timeout=timeout,
            )
            if response.status < 400:
                return response
            told = await response.read()
        except (
            aiohttp.ClientError,
            OSError,
            RuntimeError,
        ) as error:  # RuntimeError: closed while loading anew
            raise self._away(path, error) from None
        response.close()
        raise self._error(response.status, path, _status(told))

    async def _load(self, seen: ApiClient | None) -> None:
        """Makes the client anew, unless somebody else has since it was `seen`."""
        async with self._loading:
            if self._client is not seen:
                return
            fresh = await connect(self._access)
            if self._client:
                self._retired.append(self._client)
            while len(self._retired) > _RETIRED:
                await self._retired.pop(0).close()
            self._client = fresh

    def _away(self, path: str, error: Exception) -> KubernetesError:
        reason = str(error) or type(error).__name__
        return KubernetesError(f"Kubernetes at {self.url} does not answer {path}: {reason}")

    def _error(self, code: int, path: str, status: Document) -> KubernetesError:
        reason = status.get("message") or status.get("reason") or "no reason is given"
        kind = _ERRORS.get(code, KubernetesError)
        return kind(f"Kubernetes at {self.url} answers {code} to {path}: {reason}")


def _status(told: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        status = orjson.loads(told)
        if isinstance(status, dict):
            return status
    return {"message": told[:200].decode(errors="replace").strip()}

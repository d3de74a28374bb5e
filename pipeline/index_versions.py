"""Documents with versions of their own ▸ Elasticsearch: read as they stand, and written until each is taken,
is stale or can never be taken."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
from elastic_transport import TransportError
from elasticsearch import ApiError, AsyncElasticsearch

from pipeline.edges import Counted, Place
from pipeline.index import Bulk, OnRetry, is_reject, pause, reason_of

_AT_ONCE = 1_000  # documents read in one request
_JSON = {"content-type": "application/json", "accept": "application/json"}
_LINES = {"content-type": "application/x-ndjson", "accept": "application/json"}
_READ = "docs._version,docs._source,docs.found,docs.error.type,docs.error.reason"
_WRITTEN = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
_NO_INDEX = "index_not_found_exception"
_CONFLICT, _TOO_LARGE = 409, 413


class Versioned(NamedTuple):
    """A document to be written; what stands there with that version or a higher one stays."""

    place: Place
    version: int
    body: bytes


class Wanted(NamedTuple):
    """A document to be read, and the figures that are wanted of it."""

    place: Place
    figures: Iterable[str]


@dataclass(slots=True)
class Outcome:
    """What became of documents: how many were written, which had been overtaken, and why others never
    can be written."""

    written: int = 0
    stale: set[Place] = field(default_factory=set)
    rejected: dict[Place, str] = field(default_factory=dict)


class _AgainError(Exception):
    """What is to be sent again: why (an error type or http_<status>), and why in words."""

    def __init__(self, why: str, words: str) -> None:
        super().__init__(why, words)
        self.why, self.words = why, words


class Versions:
    """One who reads and writes them. A server that is away is waited for, without end: only cancelling ends
    it; `on_retry` is told at once, before the wait."""

    def __init__(self, client: AsyncElasticsearch, bulk: Bulk, on_retry: OnRetry) -> None:
        self._client = client.options(max_retries=0)
        self._bulk = bulk
        self._on_retry = on_retry

    async def read(self, wanted: Sequence[Wanted]) -> dict[Place, Counted]:
        """Those that are there, as they are now, whether they can be found by a search yet or not."""
        found: dict[Place, Counted] = {}
        for start in range(0, len(wanted), _AT_ONCE):
            chunk, tries = wanted[start : start + _AT_ONCE], 0
            while (read := await self._try_to_read(chunk)) is None:
                await asyncio.sleep(pause(tries))
                tries += 1
            found |= read
        return found

    async def write(self, documents: Sequence[Versioned]) -> Outcome:
        """Write until each is written, stale or rejected."""
        outcome = Outcome()
        for chunk in _chunks(documents, self._bulk):
            left, tries = chunk, 0
            while left := await self._try_to_write(left, outcome):
                await asyncio.sleep(pause(tries))
                tries += 1
        return outcome

    async def _try_to_read(self, chunk: Sequence[Wanted]) -> dict[Place, Counted] | None:
        asked = [
            {"_index": each.place.index, "_id": each.place.id, "_source": list(each.figures)}
            for each in chunk
        ]
        try:
            answer = await self._ask("/_mget", _READ, _JSON, orjson.dumps({"docs": asked}))
            read = zip(chunk, answer["docs"], strict=True)
            return {each.place: _counted(said) for each, said in read if _is_there(said)}
        except _AgainError as error:
            self._on_retry(error.why, len(chunk), error.words)
            return None

    async def _try_to_write(self, chunk: list[Versioned], outcome: Outcome) -> list[Versioned]:
        """Send once; what is to be sent again."""
        try:
            answer = await self._ask("/_bulk", _WRITTEN, _LINES, b"".join(map(_lines, chunk)))
        except _AgainError as error:
            if error.why == f"http_{_TOO_LARGE}":
                return await self._halve(chunk, outcome)
            self._on_retry(error.why, len(chunk), error.words)
            return chunk
        again = []
        for each, item in zip(chunk, answer["items"], strict=True):
            wrong = item["index"].get("error")
            if wrong is None:
                outcome.written += 1
            elif item["index"]["status"] == _CONFLICT:
                outcome.stale.add(each.place)
            elif is_reject(wrong):
                outcome.rejected[each.place] = reason_of(wrong)
            else:
                self._on_retry(wrong["type"], 1, reason_of(wrong))
                again.append(each)
        return again

    async def _halve(self, chunk: list[Versioned], outcome: Outcome) -> list[Versioned]:
        if len(chunk) == 1:
            outcome.rejected[chunk[0].place] = f"Elasticsearch takes no request of this size ({_TOO_LARGE})"
            return []
        middle = len(chunk) // 2
        first = await self._try_to_write(chunk[:middle], outcome)
        return first + await self._try_to_write(chunk[middle:], outcome)

    async def _ask(self, path: str, answer: str, headers: dict[str, str], body: bytes) -> Any:
        try:
            said = await self._client.perform_request(
                "POST", path, params={"filter_path": answer}, headers=headers, body=body
            )
        except ApiError as error:
            words = f"it answers {error.status_code} ({error.message})"
            raise _AgainError(f"http_{error.status_code}", words) from None
        except TransportError as error:
            raise _AgainError(type(error).__name__, error.message) from None
        return said.body


def _is_there(said: dict[str, Any]) -> bool:
    error = said.get("error")
    if error and error["type"] != _NO_INDEX:
        raise _AgainError(error["type"], reason_of(error))
    return bool(said.get("found"))


def _counted(said: dict[str, Any]) -> Counted:
    return Counted(said["_version"], said["_source"])


def _lines(document: Versioned) -> bytes:
    place = {"_index": document.place.index, "_id": document.place.id}
    versioned = place | {"version": document.version, "version_type": "external"}
    return orjson.dumps({"index": versioned}) + b"\n" + document.body + b"\n"


def _chunks(documents: Sequence[Versioned], bulk: Bulk) -> Iterator[list[Versioned]]:
    chunk: list[Versioned] = []
    size = 0
    for each in documents:
        if chunk and (len(chunk) >= bulk.documents or size + len(each.body) > bulk.size):
            yield chunk
            chunk, size = [], 0
        chunk.append(each)
        size += len(each.body)
    if chunk:
        yield chunk

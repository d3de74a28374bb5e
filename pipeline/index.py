"""Documents ▸ Elasticsearch: each is written, tried again or rejected; the index template is FIELDS."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from elastic_transport import TransportError
from elasticsearch import ApiError, AsyncElasticsearch

from pipeline import index_edges, index_policies, index_readiness, index_recommendations, index_rejects
from pipeline.annotate import INDEX_PREFIX, Document
from pipeline.composable import composable
from pipeline.dead_letter import Origin, Reject
from pipeline.flow import FIELDS, Field


class _Time(msgspec.Struct):
    ms: int = msgspec.field(name="@timestamp")


_TIME = msgspec.json.Decoder(_Time)

# Why (an error type or http_<status>), how many documents, and why in words.
type OnRetry = Callable[[str, int, str], None]

_TEMPLATE = "flowtier_flows"
_SORT = ("source_namespace", "dest_namespace", "source_name_aggr", "dest_name_aggr", "end_time")
_TYPES: dict[str, dict[str, Any]] = {
    # Fields that Calico fills with "-" or "*" where they are aggregated away.
    "ip": {"ignore_malformed": True},
    "integer": {"ignore_malformed": True},
    "date": {"format": "epoch_second||strict_date_optional_time"},
}

# What a document itself is to blame for. Everything else may pass: it is tried again.
_BAD_DOCUMENT = frozenset((
    "document_parsing_exception",
    "mapper_parsing_exception",
    "mapper_exception",
    "strict_dynamic_mapping_exception",
    "parsing_exception",
    "x_content_parse_exception",
    "invalid_type_name_exception",
))  # fmt: skip
# illegal_argument_exception also stands for settings that somebody can mend; these are the document's.
_BAD_ARGUMENTS = (
    "immense term",
    "cannot be changed from type",
    "nested documents",
    "Field name",
    "field name",
)

_HEADERS = {"content-type": "application/x-ndjson", "accept": "application/json"}
_ANSWER = "errors,items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason"
_FIRST_WAIT, _LONGEST_WAIT = 0.1, 15.0  # seconds


@dataclass(frozen=True, slots=True)
class Bulk:
    """Bounds of one bulk request, and how many are under way at once."""

    documents: int = 2_000
    size: int = 8 * 2**20  # bytes
    concurrency: int = 2


@dataclass(slots=True)
class Written:
    """What became of the documents that were not simply written."""

    rejects: list[Reject] = field(default_factory=list)
    retries: Counter[str] = field(default_factory=Counter)  # documents sent again, by reason


def index_template(shards: int = 1, replicas: int = 0) -> dict[str, Any]:
    """The composable template of the daily flow indices: only what somebody searches is indexed, only
    what somebody counts has columns, and the sort keeps like beside like, which compresses best."""
    return composable(
        INDEX_PREFIX,
        {each.name: _mapping(each) for each in FIELDS if each.type},
        replicas,
        shards,
        codec="best_compression",
        refresh_interval="5s",
        sort={"field": list(_SORT)},
    )


def _mapping(each: Field) -> dict[str, Any]:
    mapping = {"type": each.type, **_TYPES.get(each.type, {})}
    if each.name == "@timestamp":
        mapping["format"] = "epoch_millis"
    return mapping if each.searched else mapping | {"index": False}


def templates(shards: int, replicas: int) -> dict[str, dict[str, Any]]:
    """Every index template, by its name."""
    return {
        _TEMPLATE: index_template(shards, replicas),
        index_recommendations.TEMPLATE: index_recommendations.index_template(replicas),
        index_policies.TEMPLATE: index_policies.index_template(replicas),
        index_readiness.TEMPLATE: index_readiness.index_template(replicas),
        index_rejects.TEMPLATE: index_rejects.index_template(replicas),
        **index_edges.templates(shards, replicas),
    }


async def put_templates(client: AsyncElasticsearch, shards: int = 1, replicas: int = 0) -> None:
    """Install the index templates; an existing one is replaced, and holds for indices made from now on."""
    for name, template in templates(shards, replicas).items():
        await client.indices.put_index_template(name=name, **template)


def bulk_body(documents: Iterable[Document]) -> bytes:
    """The documents as one `_bulk` request."""
    parts: list[bytes] = []
    for each in documents:
        action = f'{{"index":{{"_index":"{each.index}","_id":"{each.id}"}}}}\n'
        parts += (action.encode(), each.flow[:-1], each.added, b"\n")
    return b"".join(parts)


def _ignore(_why: str, _documents: int, _words: str) -> None:
    """For callers that do not count retries."""


async def write(
    client: AsyncElasticsearch,
    documents: Sequence[Document],
    bulk: Bulk = Bulk(),
    on_retry: OnRetry = _ignore,
) -> Written:
    """Write until every document is written or rejected (DESIGN.md §4, Retry or reject).

    Waits out a server that is away or slow, without end: only cancelling ends it. `on_retry` is told
    at once, before the wait.
    """
    written = Written()
    writer = _Writer(client.options(max_retries=0), asyncio.Semaphore(bulk.concurrency), written, on_retry)
    async with asyncio.TaskGroup() as tasks:
        for chunk in _chunks(documents, bulk):
            tasks.create_task(writer.write(chunk))
    return written


def _chunks(documents: Sequence[Document], bulk: Bulk) -> Iterator[list[Document]]:
    chunk: list[Document] = []
    size = 0
    for each in documents:
        length = len(each.flow) + len(each.added)
        if chunk and (len(chunk) >= bulk.documents or size + length > bulk.size):
            yield chunk
            chunk, size = [], 0
        chunk.append(each)
        size += length
    if chunk:
        yield chunk


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes chunks with one client, and keeps what came of it in `written`."""

    client: AsyncElasticsearch
    slots: asyncio.Semaphore
    written: Written
    on_retry: OnRetry

    async def write(self, chunk: list[Document]) -> None:
        tries = 0
        while chunk:
            async with self.slots:
                again = await self._send(chunk)
            if again:
                tries = tries + 1 if len(again) == len(chunk) else 0
                await asyncio.sleep(pause(tries))
            chunk = again

    async def _send(self, chunk: list[Document]) -> list[Document]:
        """Send once; what is to be sent again."""
        try:
            answer = await self.client.perform_request(
                "POST", "/_bulk", params={"filter_path": _ANSWER}, headers=_HEADERS, body=bulk_body(chunk)
            )
        except ApiError as error:
            if error.status_code == 413:
                return await self._halve(chunk)
            status = error.status_code
            return self._retry(chunk, f"http_{status}", f"it answers {status} ({error.message})")
        except TransportError as error:
            return self._retry(chunk, type(error).__name__, error.message)
        return self._sort_out(chunk, answer.body) if answer.body["errors"] else []

    async def _halve(self, chunk: list[Document]) -> list[Document]:
        if len(chunk) == 1:
            self._reject(chunk[0], "Elasticsearch takes no request of this size (413)")
            return []
        middle = len(chunk) // 2
        return await self._send(chunk[:middle]) + await self._send(chunk[middle:])

    def _sort_out(self, chunk: list[Document], answer: dict[str, Any]) -> list[Document]:
        again: dict[str, list[Document]] = {}
        words: dict[str, str] = {}
        for document, item in zip(chunk, answer["items"], strict=True):
            error = item["index"].get("error")
            if error is None:
                continue
            if is_reject(error):
                self._reject(document, reason_of(error))
            else:
                again.setdefault(error["type"], []).append(document)
                words[error["type"]] = reason_of(error)
        return [each for why, documents in again.items() for each in self._retry(documents, why, words[why])]

    def _retry(self, documents: list[Document], why: str, words: str) -> list[Document]:
        self.written.retries[why] += len(documents)
        self.on_retry(why, len(documents), words)
        return documents

    def _reject(self, document: Document, reason: str) -> None:
        self.written.rejects.append(Reject(_origin(document), "index", reason, document.body))


def _origin(document: Document) -> Origin:
    """Where the flow stood first, as its document's id tells; the time is that of its index."""
    topic_id, partition, offset, row = document.id.rsplit("-", 3)
    return Origin(topic_id, int(partition), int(offset), _TIME.decode(document.body).ms, int(row))


def is_reject(error: dict[str, Any]) -> bool:
    """Whether one item's error is the document's own fault, by its type; everything unknown is not."""
    if error["type"] == "illegal_argument_exception":
        return any(words in error.get("reason", "") for words in _BAD_ARGUMENTS)
    return error["type"] in _BAD_DOCUMENT


def reason_of(error: dict[str, Any]) -> str:
    """One item's error in words."""
    cause = error.get("caused_by", {}).get("reason")
    return f"{error['type']}: {error.get('reason')}" + (f" ({cause})" if cause else "")


def pause(tries: int) -> float:
    """Seconds to wait before trying again: doubling, capped, spread so that workers do not march in step."""
    longest: float = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(tries, 16))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311

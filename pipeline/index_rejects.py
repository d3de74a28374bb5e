"""What was rejected and why, without what it was: the template of its index and its documents."""

import re
from typing import Any

from pipeline.composable import composable
from pipeline.dead_letter import kind_of
from pipeline.flow import Message
from pipeline.kept import REJECTS
from pipeline.kept_rejects import Kept, read

TEMPLATE = REJECTS

_KEYWORD = {"type": "keyword", "ignore_above": 8191}
_LONG = {"type": "long"}
_PROPERTIES: dict[str, Any] = {
    "@timestamp": {"type": "date", "format": "epoch_millis"},
    "cluster": _KEYWORD,
    "stage": _KEYWORD,
    "kind": _KEYWORD,
    "reason": _KEYWORD,
    "origin": _KEYWORD,
    "topic_id": _KEYWORD,
    "partition": {"type": "integer"},
    "offset": _LONG,
    "row": _LONG,
    "size": _LONG,
    "sha256": _KEYWORD,
}
_KEPT_REASON = 200  # characters
_QUOTE = re.compile(r"(?<!\w)['\"]")  # begins what was written there; no apostrophe


def index_template(replicas: int) -> dict[str, Any]:
    """The composable template: a document a reject."""
    return composable(TEMPLATE, _PROPERTIES, replicas, codec="best_compression", refresh_interval="5s")


def document_of(message: Message, cluster: str) -> dict[str, Any] | None:
    """The document of a record of the topic; None where it tells of a replay. Raises UnknownRecordError."""
    record = read(message.value)
    if not isinstance(record, Kept):
        return None
    origin = record.origin
    return {
        "@timestamp": message.timestamp,
        "cluster": cluster,
        "stage": record.stage,
        "kind": kind_of(record.reason),
        "reason": _words(record.reason),
        "origin": origin.document_id,
        "topic_id": origin.topic_id,
        "partition": origin.partition,
        "offset": origin.offset,
        "row": origin.row,
        "size": record.size,
        "sha256": record.sha256,
    }


def _words(reason: str) -> str:
    """As far as it quotes nothing of what was rejected."""
    return _QUOTE.split(reason, maxsplit=1)[0][:_KEPT_REASON].rstrip(" :(-")

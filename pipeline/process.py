"""The chain in one function: decode ▸ resolve ▸ evaluate ▸ annotate."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.annotate import Document, annotate
from pipeline.dead_letter import Reject
from pipeline.decode import Limits, decode
from pipeline.flow import FlowBatch, Message
from pipeline.judge import Judge
from pipeline.match.verdict import Verdicts
from pipeline.resolve import Resolved


@dataclass(frozen=True, slots=True)
class Processed:
    """What became of some messages: every flow is a document or a reject."""

    documents: list[Document]
    rejects: list[Reject]
    batch: FlowBatch
    verdicts: Verdicts
    resolved: Resolved


def process(messages: Sequence[Message], judge: Judge, now: float | None, limits: Limits) -> Processed:
    """Judge every flow of `messages` by one revision (DESIGN.md §2, The walk of a flow).

    `now` (s since the epoch) and `limits` say which flows are too old or too large; nothing is
    raised for bad input.
    """
    decoded = decode(messages, now, limits)
    resolved = judge.resolve(decoded.batch)
    verdicts = judge.evaluate(decoded.batch, resolved)
    documents = annotate(decoded.batch, verdicts, judge.cluster, judge.changed_at)
    return Processed(documents, decoded.rejects, decoded.batch, verdicts, resolved)

"""What `flowtier explain` tells, as `--json` has it."""

from typing import Any

import msgspec

from pipeline.match.explained import Explained, ScopeName


class EndSaid(msgspec.Struct, frozen=True):
    """One end: what the record calls it, and whom it may be (`candidates` of them); `labels` are those that
    all have, `ports` name=port/protocol, `addresses` none where any is possible."""

    name: str
    kind: str
    candidates: int
    labels: dict[str, str]
    ports: tuple[str, ...]
    addresses: tuple[str, ...]


class VerdictSaid(msgspec.Struct, frozen=True):
    """What one scope does, and what decided: None where that depends on what is missing."""

    action: str
    tier: str | None
    policy: str | None
    rule: int | None
    trace: tuple[str, ...]


class AtEnd(msgspec.Struct, frozen=True):
    """The flow as it is judged at one end: egress at its source, ingress at its destination.

    `unjudged` says why it is not judged there. `impact`, `staged_deny`, `staged_allow`, `missing` are the
    document's verdict.impact, .staged_deny, .staged_allow and .unknown.
    """

    direction: str
    source: EndSaid
    destination: EndSaid
    unjudged: str | None
    verdicts: dict[ScopeName, VerdictSaid]
    impact: str
    staged_deny: tuple[str, ...]
    staged_allow: tuple[str, ...]
    missing: tuple[str, ...]
    explained: Explained | None


class UnderRevision(msgspec.Struct, frozen=True):
    """One source of policies, and what they do with the flow."""

    name: str
    revision: str
    ends: tuple[AtEnd, ...]


class Explanation(msgspec.Struct, frozen=True):
    """One flow, as the record has it without labels and policies, under each revision that was asked for."""

    flow: dict[str, Any]
    revisions: tuple[UnderRevision, ...]

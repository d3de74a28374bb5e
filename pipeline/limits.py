"""What a flow may be at most, and which flows of a batch are beyond it."""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address

import msgspec
import numpy as np

from pipeline.columns import NO_PROTOCOL, NO_TIME
from pipeline.flow import Endpoint, FlowBatch, Ints
from pipeline.sections import Flows


@dataclass(frozen=True, slots=True)
class Limits:
    """What is beyond is a reject. `retention` and `ahead` in seconds; `value_bytes` and `flows` of one
    message, `labels` of one endpoint."""

    retention: float = 8 * 86_400
    ahead: float = 86_400
    value_bytes: int = 16 * 2**20
    flows: int = 50_000
    flow_bytes: int = 512 * 1024
    labels: int = 1024


def limits_of(flows: Flows) -> Limits:
    """The limits that the settings ask for."""
    return Limits(flows.retention_days * 86_400, flows.max_ahead_hours * 3_600, flows.max_message_bytes)


class _Labels(msgspec.Struct, gc=False):
    labels: list[str] | None = None


_LABELS = msgspec.json.Decoder(_Labels)


def faults(batch: FlowBatch, now: float | None, limits: Limits) -> dict[int, str]:
    """What is wrong with flows that could be read, by their place in the batch.

    `now`: seconds since the epoch; None = flows of any time are right.
    """
    late = np.inf if now is None else (now + limits.ahead) * 1000
    early = -np.inf if now is None else (now - limits.retention) * 1000
    checks = [
        (batch.end < early, f"end_time is older than the retention of {limits.retention:.0f} s"),
        (batch.end > late, f"end_time is more than {limits.ahead:.0f} s in the future"),
        (batch.start > batch.end, "start_time is after end_time"),
        ((batch.start == NO_TIME) | (batch.end == NO_TIME), "start_time, end_time: no seconds, no RFC 3339"),
        (batch.proto == NO_PROTOCOL, "proto: no protocol's name or number"),
        (_sizes(batch) > limits.flow_bytes, f"too large: a flow of more than {limits.flow_bytes} bytes"),
    ]
    for i, endpoint in enumerate(batch.endpoints):
        if reason := _endpoint_fault(endpoint, limits.labels):
            checks.append(((batch.source == i) | (batch.dest == i), reason))
    return {int(i): reason for wrong, reason in checks for i in np.flatnonzero(wrong)}


def _sizes(batch: FlowBatch) -> Ints:
    return np.fromiter(map(len, batch.raw), np.int64, len(batch))


@lru_cache(maxsize=1 << 14)
def _endpoint_fault(endpoint: Endpoint, most: int) -> str | None:
    try:
        if endpoint.ip:
            ip_address(endpoint.ip)
        labels = () if endpoint.labels is None else _LABELS.decode(endpoint.labels).labels or ()
    except (ValueError, RecursionError) as error:
        return f"an endpoint's address or labels: {error}"
    if len(labels) > most:
        return f"too many labels: {len(labels)} of one endpoint, the most is {most}"
    return None

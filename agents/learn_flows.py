"""Messages of flow-observations ▸ values of the table: each place is read and written once."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from pipeline import metrics
from pipeline.observations import ObservationError, read_observations
from pipeline.observe import HOUR_MS
from pipeline.recommend import learned
from pipeline.recommend.learn import HOURS_A_DAY, HOURS_AHEAD, Place, Window, add, learn
from pipeline.recommend.learned import Learned
from pipeline.recommend_section import Recommend

log = structlog.get_logger(__name__)

MAX_VALUE = 800_000  # bytes: Kafka takes no message above 1 MB
_LOG_SECONDS = 10.0

# The value of a place in the partition that is learned.
type Read = Callable[[bytes], bytes | None]


class Observed(NamedTuple):
    """A message of one partition."""

    offset: int
    value: bytes | None


@dataclass(slots=True)
class Learning:
    """What the messages of one partition made of the table, and what they did not teach."""

    values: dict[bytes, bytes | None] = field(default_factory=dict)
    rejected: Counter[str] = field(default_factory=Counter)
    not_learned: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)  # why messages were rejected, in words


def window_of(recommend: Recommend, now: float) -> Window:
    """The hours that can teach."""
    hour = int(now * 1000) // HOUR_MS
    return Window(hour - recommend.lookback_days * HOURS_A_DAY, hour + HOURS_AHEAD, recommend.learn_denied)


def learn_all(messages: Iterable[Observed], partition: str, read: Read, window: Window) -> Learning:
    """Fold the messages of a partition ("topic id/partition"), in the order of their offsets.

    What a place has counted already is not added to it again, but the place is written again: a worker
    that was killed may have left a value in RocksDB that its changelog never got.
    """
    learning, known = Learning(), dict[Place, Learned]()
    before: dict[Place, bytes | None] = {}
    for message in messages:
        try:
            lesson = learn(read_observations(message.value), window)
        except ObservationError as error:
            learning.rejected[error.reason] += 1
            learning.reasons.append(f"offset {message.offset}: {error}")
            continue
        learning.not_learned.update(lesson.not_learned)
        for place, part in lesson.parts.items():
            if place not in known:
                before[place] = read(str(place).encode())
                known[place] = _decode(place, before[place])
            of_place = known[place]
            if message.offset > of_place.counted.get(partition, -1):
                learning.not_learned["full"] += add(of_place, part)
                of_place.counted[partition] = message.offset
    for place, of_place in known.items():
        learning.values[str(place).encode()] = _encode(of_place, before[place], learning)
    return learning


def _decode(place: Place, value: bytes | None) -> Learned:
    if value is None:
        return Learned({}, {}, {})
    try:
        return learned.decode(value)
    except ValueError as error:  # of a program older or newer than this one: it is learned anew
        log.warning("a place is learned anew", place=str(place), reason=str(error))
        return Learned({}, {}, {})


def _encode(of_place: Learned, before: bytes | None, learning: Learning) -> bytes:
    """What Kafka would not take stays as it was, but for what is counted."""
    value = learned.encode(of_place)
    if len(value) <= MAX_VALUE:
        return value
    old = learned.decode(before) if before else Learned({}, {}, {})
    flows = sum(seen.flows for seen in of_place.edges.values())
    learning.not_learned["full"] += flows - sum(seen.flows for seen in old.edges.values())
    return learned.encode(Learned(old.edges, old.workloads, of_place.counted))


class Counted:
    """What was learned and what was not, for /metrics; reasons are logged every few seconds at most."""

    def __init__(self) -> None:
        self._logged_at = -_LOG_SECONDS

    def count(self, messages: int, learning: Learning) -> None:
        metrics.OBSERVATIONS.inc(messages - learning.rejected.total())
        for reason, count in learning.rejected.items():
            metrics.OBSERVATIONS_REJECTED.labels(reason).inc(count)
        for why, flows in learning.not_learned.items():
            if flows:
                metrics.NOT_LEARNED.labels(why).inc(flows)
        now = time.monotonic()
        if learning.reasons and now > self._logged_at + _LOG_SECONDS:
            self._logged_at = now
            log.warning("observations are rejected", count=len(learning.reasons), first=learning.reasons[0])

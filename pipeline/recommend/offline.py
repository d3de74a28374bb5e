"""Flow files ▸ what they teach, without any server: the walk that the stream takes, in one process."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pipeline.dead_letter import Reject
from pipeline.decode import decode
from pipeline.flow import Message
from pipeline.judge import Judge
from pipeline.observations import read_observations
from pipeline.observe import HOUR_MS, observe
from pipeline.policy.selector import ALL
from pipeline.recommend.learn import NotLearned, Place, Window, add, learn
from pipeline.recommend.learned import Learned, together
from pipeline.threats import Threats

NO_THREATS = Threats((), ALL)  # nobody learns from these marks
EVER = Window(0, 1 << 40)


@dataclass(slots=True)
class Lessons:
    """All that was learned, by place, and how many flows taught nothing, by why."""

    window: Window
    places: dict[Place, Learned] = field(default_factory=dict)
    not_learned: Counter[NotLearned] = field(default_factory=Counter)

    def take(self, values: Iterable[bytes]) -> None:
        """Learn from messages of observations."""
        for value in values:
            lesson = learn(read_observations(value), self.window)
            self.not_learned.update(lesson.not_learned)
            for place, part in lesson.parts.items():
                known = self.places.setdefault(place, Learned({}, {}, {}))
                if left := add(known, part):
                    self.not_learned["full"] += left

    def known(self, lookback_days: int) -> dict[str, Learned]:
        """What is known of each namespace, of so many days up to the newest."""
        newest = max((place.day for place in self.places), default=0)
        by_namespace: dict[str, list[Learned]] = {}
        for place in sorted(self.places):
            if place.day > newest - lookback_days:
                by_namespace.setdefault(place.namespace, []).append(self.places[place])
        return {namespace: together(parts) for namespace, parts in by_namespace.items()}


def learn_flows(
    batches: Iterable[list[Message]], judge: Judge, lessons: Lessons
) -> Iterator[tuple[int, list[Reject]]]:
    """Learn from each batch of flow messages: decode ▸ resolve ▸ evaluate ▸ observe ▸ learn.

    Yields how many flows it had, and what could not be read of it.
    """
    for messages in batches:
        answer = _learn(messages, judge, lessons)
        del messages  # before the next ones are read
        yield answer


def _learn(messages: list[Message], judge: Judge, lessons: Lessons) -> tuple[int, list[Reject]]:
    decoded = decode(messages)
    resolved = judge.resolve(decoded.batch)
    verdicts = judge.evaluate(decoded.batch, resolved)
    observed = observe(decoded.batch, verdicts, resolved, HOUR_MS, judge.changed_at, NO_THREATS)
    lessons.take(value for _, value in observed)
    return len(decoded.batch), decoded.rejects

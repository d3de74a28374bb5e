"""Recommendations and what was decided on them, as a person sees them: both topics in full."""

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
from confluent_kafka import KafkaException, Message

from agents.reach_kafka import list_topics
from agents.topics import Topics
from agents.whole_topic import WholeTopic, text
from pipeline.recommend.recommendation import VERSION, Decision, Recommendation
from pipeline.settings import Settings
from pipeline.user_error import UserError

_SEE = "`flowtier recommendations list` shows all there are"
_NEAR = 3  # names that are told of where one is wrong


class RecommendationsError(UserError):
    """Recommendations that cannot be read or decided on; the message says why and what to do."""


@dataclass(slots=True)
class Known:
    """By name; `unreadable`: why, by topic and name."""

    recommendations: dict[str, Recommendation] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)

    def take[T: (Recommendation, Decision)](
        self, topic: str, messages: Iterable[Message], kind: type[T]
    ) -> dict[str, T]:
        """The last value of each key; without a value it is withdrawn or taken back."""
        found = {}
        for name, message in {text(message.key()): message for message in messages}.items():
            try:
                if message.value() is not None:
                    found[name] = _decoded(name, message, kind)
            except ValueError as error:
                self.unreadable[f"{topic} {name}"] = f"{name!r} on topic {topic} cannot be read: {error}"
        return found

    @property
    def names(self) -> list[str]:
        return sorted({*self.recommendations, *self.decisions})

    def manifest(self, name: str) -> dict[str, Any] | None:
        """As it was accepted, else as it is recommended; None where it is ignored."""
        decision, recommendation = self.decisions.get(name), self.recommendations.get(name)
        if decision:
            return decision.manifest if decision.decision == "accept" else None
        return recommendation.manifest if recommendation else None

    def manifests(self) -> Iterator[dict[str, Any]]:
        """Of all that are not ignored. Raises RecommendationsError where something cannot be read: it would
        look as if it were withdrawn."""
        if self.unreadable:
            raise RecommendationsError("\n".join(self.unreadable.values()))
        manifests = map(self.manifest, self.names)
        yield from (each for each in manifests if each is not None)


def read_known(settings: Settings) -> Known:
    """Raises ReachError where Kafka cannot be reached, RecommendationsError where a topic is not there."""
    topics, there, known = Topics(settings), list_topics(settings.kafka), Known()
    proposed, decided = topics.recommendations.name, topics.decisions.name
    for topic in (proposed, decided):
        if topic not in there:
            raise RecommendationsError(
                f"topic {topic} is not there, or we may not see it: flowtier worker creates it;"
                " see FLOWTIER_TOPICS_PREFIX"
            )
    try:
        with WholeTopic(settings, proposed) as first, WholeTopic(settings, decided) as second:  # both begin
            known.recommendations = known.take(proposed, first.read_to_end(), Recommendation)
            known.decisions = known.take(decided, second.read_to_end(), Decision)
    except KafkaException as error:
        raise RecommendationsError(f"Kafka at {settings.kafka.bootstrap}: {error.args[0].str()}") from None
    return known


def _decoded[T: (Recommendation, Decision)](name: str, message: Message, kind: type[T]) -> T:
    found = msgspec.json.decode(message.value() or b"", type=kind)
    if found.v != VERSION:
        raise ValueError(f"it is of version {found.v}, and this program reads version {VERSION}")
    if found.name != name:
        raise ValueError(f"it is of {found.name!r}")
    return found


def name_of(given: str, names: Iterable[str]) -> str:
    """The name that a person means by snp:namespace/name, namespace/name or name.

    Raises RecommendationsError with the names that come near.
    """
    by_words = {name: (name, _short(name), _short(name).rpartition("/")[2]) for name in names}
    meant = [name for name, words in by_words.items() if given in words]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise RecommendationsError(f"{given!r} may be {' or '.join(map(_short, sorted(meant)))}: say which")
    words = {word: name for name, own in by_words.items() for word in own}
    near = dict.fromkeys(words[word] for word in difflib.get_close_matches(given, words, n=20))
    suggestion = f"did you mean {' or '.join(map(_short, [*near][:_NEAR]))}?" if near else _SEE
    raise RecommendationsError(f"there is no {given!r}; {suggestion}")


def _short(name: str) -> str:
    return name.rpartition(":")[2]

"""What is told of a cluster's objects makes facts that were what the objects were, at any time."""

from dataclasses import dataclass, field
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from agents.follow_kubernetes_facts import Lifetimes, Seen
from pipeline import facts_records
from pipeline.facts import Facts, fact_key
from pipeline.facts_records import Told
from pipeline.policy.facts_resources import Fact, Namespace

NAMES = ("a", "b")
STEPS = st.tuples(
    st.sampled_from(("put", "delete", "restart", "list")), st.sampled_from(NAMES), st.sampled_from(("x", "y"))
)


@dataclass
class Cluster:
    """Namespaces as they are, and were at each half hour; what is told is kept as the topic would."""

    now: float = 0.0
    there: dict[str, Seen] = field(default_factory=dict)
    history: list[tuple[float, dict[str, str]]] = field(default_factory=list)
    lifetimes: Lifetimes = field(default_factory=lambda: Lifetimes([]))
    topic: dict[str, Told] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)

    def do(self, step: str, name: str, label: str) -> None:
        self.now += 1
        if step == "put":
            created = self.there[name].created if name in self.there else self.now
            self.there[name] = Seen(Namespace(name, {"is": label}), created, inf)
            self.tell(self.lifetimes.put(self.there[name], self.now))
        elif step == "delete" and name in self.there:
            self.tell(self.lifetimes.end(self.there.pop(name), self.now))
        elif step == "restart":
            self.lifetimes = Lifetimes(self.topic.values())
        if step in {"restart", "list"}:
            self.tell(list(self.lifetimes.whole("Namespace", self.there.values(), self.now)))
        there = {each: labels(seen.fact)["is"] for each, seen in self.there.items()}
        self.history.append((self.now + 0.5, there))

    def tell(self, facts: list[Told]) -> None:
        for told in facts:
            key, value = facts_records.encode(told.fact, told.since, told.until)
            facts_records.follow(self.facts, key, value, self.now)
            self.topic[fact_key(told.fact)] = told

    def told(self, at: float) -> dict[str, str]:
        alive = {name: self.facts.namespaces.alive(name, at, at) for name in NAMES}
        return {name: versions[-1].fact.labels["is"] for name, versions in alive.items() if versions}


def labels(fact: Fact) -> dict[str, str]:
    assert isinstance(fact, Namespace)
    return fact.labels


@given(st.lists(STEPS, max_size=12))
def test_facts_at_any_time_are_the_objects_of_that_time(steps: list[tuple[str, str, str]]) -> None:
    cluster = Cluster()
    for step in steps:
        cluster.do(*step)
    for at, there in cluster.history:
        assert cluster.told(at) == there


def test_what_is_known_already_is_not_told_again() -> None:
    seen = Seen(Namespace("a", {}), 1.0, inf)
    lifetimes = Lifetimes([])
    (told,) = lifetimes.put(seen, 5.0)
    assert lifetimes.put(seen, 6.0) == []
    assert list(Lifetimes([told]).whole("Namespace", [seen], 7.0)) == []


def test_what_is_gone_while_nobody_looked_ends_when_that_is_seen() -> None:
    (told,) = Lifetimes([]).put(Seen(Namespace("a", {}), 1.0, inf), 5.0)
    assert list(Lifetimes([told]).whole("Namespace", [], 9.0)) == [Told(Namespace("a", {}), 1.0, 9.0)]
    assert list(Lifetimes([told]).whole("Pod", [], 9.0)) == []

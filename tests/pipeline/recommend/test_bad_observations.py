"""Bad observations: a message is refused with its reason, or an edge teaches nothing, and no more happens."""

import json
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decode import decode as decode_flows
from pipeline.judge import Judge
from pipeline.observations import ObservationError, read_observations
from pipeline.observe import HOUR_MS, VERSION, observe
from pipeline.recommend.learn import Place, Window, add, learn
from pipeline.recommend.learned import Learned, decode, encode, together
from pipeline.recommend.offline import EVER, NO_THREATS
from pipeline.recommend.recommend import recommend
from pipeline.recommend.recommendation import Options
from tests.pipeline.mutations import BYTES, VALUES, mutated
from tests.pipeline.recommend.learning import MONDAY, NO_POLICIES, both_sides, flow, messages

HOUR = MONDAY * 1_000 // HOUR_MS


def observed(flows: list[dict[str, Any]]) -> list[bytes]:
    """The messages of some flows."""
    judge: Judge = NO_POLICIES.judge
    (batch,) = (decode_flows(each).batch for each in messages(flows, len(flows)))
    resolved = judge.resolve(batch)
    verdicts = judge.evaluate(batch, resolved)
    return [value for _, value in observe(batch, verdicts, resolved, HOUR_MS, 0, NO_THREATS)]


MESSAGE = observed([flow("shop/web", "shop/cart", 7070), flow("shop/web", "198.51.100.1", 443)])[0]
PLAIN: dict[str, Any] = json.loads(MESSAGE)


def changed(where: str = "edges", **fields: Any) -> bytes:
    """The message with some fields of its first edge or workload changed; ... takes one away."""
    first = {name: value for name, value in (PLAIN[where][0] | fields).items() if value is not ...}
    return orjson.dumps(PLAIN | {where: [first, *PLAIN[where][1:]]})


REFUSED: dict[str, tuple[bytes | None, str]] = {
    "a tombstone": (None, "unreadable"),
    "nothing": (b"", "unreadable"),
    "no JSON": (b"{", "unreadable"),
    "no text": (b"\xff\xfe", "unreadable"),
    "no object": (b"[]", "unreadable"),
    "no version": (orjson.dumps({k: v for k, v in PLAIN.items() if k != "v"}), "unreadable"),
    "an older version": (orjson.dumps(PLAIN | {"v": VERSION - 1}), "version"),
    "a later version": (orjson.dumps(PLAIN | {"v": VERSION + 1}), "version"),
    "a later version of another form": (orjson.dumps({"v": VERSION + 1, "edges": {}}), "version"),
    "a version that is text": (orjson.dumps(PLAIN | {"v": str(VERSION)}), "unreadable"),
    "no edges": (orjson.dumps({k: v for k, v in PLAIN.items() if k != "edges"}), "unreadable"),
    "edges that are none": (orjson.dumps(PLAIN | {"edges": [1]}), "unreadable"),
    "an edge without an interval": (changed(interval=...), "unreadable"),
    "an interval that is text": (changed(interval="5"), "unreadable"),
    "an interval beyond 64 bits": (
        changed(interval=0).replace(b'"interval":0', b'"interval":' + b"9" * 30),
        "unreadable",
    ),
    "a rule without a number": (MESSAGE.replace(b'"rules":[]', b'"rules":[{"interval":0}]'), "unreadable"),
    "no rules": (orjson.dumps({k: v for k, v in PLAIN.items() if k != "rules"}), "unreadable"),
    "a count below 0": (changed(started=-1), "unreadable"),
    "a port that is none": (changed(port=65_536), "unreadable"),
    "a protocol that is none": (changed(protocol=256), "unreadable"),
    "half of a character": (MESSAGE.replace(b'"cart', b'"\\ud800cart'), "unreadable"),
    "labels that are a list": (changed("workloads", labels=["a=b"]), "unreadable"),
    "nested deeply": (MESSAGE[:-1] + b',"more":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "unreadable"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_message_that_cannot_be_read_is_refused_with_its_reason(case: str) -> None:
    value, reason = REFUSED[case]
    with pytest.raises(ObservationError) as caught:
        read_observations(value)
    assert caught.value.reason == reason
    assert str(caught.value)


NOT_LEARNED: dict[str, tuple[dict[str, Any], str]] = {
    "before the lookback": ({"interval": (HOUR - 1) * HOUR_MS}, "too_old"),
    "before all time": ({"interval": -(2**62)}, "too_old"),
    "after the last hour": ({"interval": (HOUR + 5) * HOUR_MS}, "in_the_future"),
    "forwarded": ({"direction": "forward"}, "forwarded"),
    "of a direction that we do not know": ({"direction": "sideways"}, "forwarded"),
    "of a host": ({"workload_type": "hep"}, "no_workload"),
    "of a host to its own pod": ({"own_host": True}, "own_host"),
    "denied by the node": ({"logged": "deny"}, "denied"),
    "denied by us where the node did not say": ({"logged": None, "enforced": "deny"}, "denied"),
    "of a workload without a name": ({"workload": "-"}, "impossible"),
    "of a name that Kubernetes has not": ({"workload": "No_Name"}, "impossible"),
    "of a name that is too long": ({"workload": "x" * 300}, "impossible"),
    "to a namespace that is none": ({"peer_namespace": "x' || all()"}, "impossible"),
    "of a protocol that no rule can name": ({"protocol": 0}, "impossible"),
    "of an ICMP type that no rule can name": ({"protocol": 1, "port": 65_535}, "impossible"),
}


@pytest.mark.parametrize("case", NOT_LEARNED)
def test_an_edge_that_teaches_nothing_is_counted_by_why_and_spares_its_neighbours(case: str) -> None:
    fields, reason = NOT_LEARNED[case]
    lesson = learn(read_observations(changed(**fields)), Window(HOUR, HOUR + 5))
    assert lesson.not_learned == {reason: 1}
    assert [key.peer_type for part in lesson.parts.values() for key in part.edges] == ["net"]


def test_no_hour_is_learned_that_has_no_date() -> None:
    lesson = learn(read_observations(changed(interval=2**62)), EVER)
    assert lesson.not_learned == {"in_the_future": 1}


@settings(deadline=None)
@given(st.text(max_size=40), st.integers(0, 2**20), st.integers(0, 31))
def test_the_key_of_a_place_is_read_back_as_it_was(namespace: str, day: int, bucket: int) -> None:
    place = Place(namespace, day, bucket)
    assert Place.parse(str(place)) == place


def use(value: bytes | None) -> None:
    """All that is done with a message: learned, kept, proposed from."""
    try:
        observations = read_observations(value)
    except ObservationError:
        return
    known = Learned()
    for part in learn(observations, EVER).parts.values():
        add(known, part)
        assert decode(encode(known)) == known
    own = {observations.namespace: together([known])}
    recommend(own, NO_POLICIES.policies, NO_POLICIES.facts, Options(mode="workload"), {})


@settings(deadline=None, max_examples=300)
@given(st.randoms(use_true_random=True))
def test_a_changed_message_is_refused_or_used_and_nothing_else_is_raised(random: Random) -> None:
    use(mutated(random, MESSAGE))


EDGE_FIELDS = sorted(PLAIN["edges"][0])


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(st.sampled_from(EDGE_FIELDS), st.sampled_from(VALUES), min_size=1, max_size=2))
def test_an_edge_of_any_values_is_refused_or_used_and_nothing_else_is_raised(fields: dict[str, Any]) -> None:
    use(json.dumps(PLAIN | {"edges": [PLAIN["edges"][0] | fields, *PLAIN["edges"][1:]]}).encode())


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from(["type", "namespace", "name", "labels"]),
    st.sampled_from([*VALUES, {"": ""}, {"a'\"": "b"}]),
)
def test_a_workload_of_any_values_is_refused_or_used_and_nothing_else_is_raised(
    field: str, value: Any
) -> None:
    use(json.dumps(PLAIN | {"workloads": [PLAIN["workloads"][0] | {field: value}]}).encode())


@settings(deadline=None, max_examples=100)
@given(st.binary() | st.sampled_from(BYTES))
def test_any_bytes_are_refused_and_nothing_else_is_raised(value: bytes) -> None:
    use(value)


TEXT = st.text(min_size=1, max_size=12) | st.sampled_from(["-", "*", "x' || all()", "a b", "é", "A.B"])
NAMES = ["source_name_aggr", "source_namespace", "dest_name_aggr", "dest_namespace", "dest_service_name"]


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(st.sampled_from(NAMES), TEXT), st.dictionaries(TEXT, TEXT, max_size=2))
def test_names_and_labels_of_any_text_in_flows_stop_no_proposal(
    names: dict[str, str], pairs: dict[str, str]
) -> None:
    good = [each for hour in range(9) for each in both_sides("shop/web", "shop/cart", 7070, hour=hour)]
    odd = [f"{key}={value}" for key, value in pairs.items()]
    more = {side: {"labels": [*good[0][side]["labels"], *odd]} for side in ("source_labels", "dest_labels")}
    bad = [each | names | more for each in good]
    found = NO_POLICIES.recommend([*good, *bad])
    assert {"cart", "web"} <= {name for each in found if each.namespace == "shop" for name in each.workloads}

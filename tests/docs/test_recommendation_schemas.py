"""The schemas of recommendations and decisions say what the structs hold, and real values are valid."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from jsonschema import Draft202012Validator

from pipeline.recommend.recommendation import VERSION, Decision, Recommendation
from tests.agents.recommended import MONDAY, manifest, recommendation
from tests.pipeline.recommend.learning import NO_POLICIES, both_sides

DOCS = Path(__file__).parents[2] / "docs"
FRONT = "snp:shop/front"
STABLE = msgspec.structs.replace(recommendation("shop", "front", 80).status, word="Stable")


def schema_of(name: str) -> dict[str, Any]:
    schema = json.loads((DOCS / "schemas" / f"{name}.v{VERSION}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return schema


SCHEMAS: dict[type, dict[str, Any]] = {
    Recommendation: schema_of("policy-recommendations"),
    Decision: schema_of("recommendation-decisions"),
}


def problems(value: msgspec.Struct) -> list[str]:
    validator = Draft202012Validator(SCHEMAS[type(value)])
    return [error.message for error in validator.iter_errors(msgspec.to_builtins(value))]


def shape(schema: dict[str, Any], defs: dict[str, Any]) -> Any:
    """Fields and their types, without words and bounds; a list of one is an array, of two may be null."""
    match schema:
        case {"$ref": ref}:
            return shape(defs[ref.rpartition("/")[2]], defs)
        case {"anyOf": [other, {"type": "null"}]}:
            return [shape(other, defs), None]
        case {"enum": [*values, None]}:
            return [sorted(values), None]
        case {"enum": values}:
            return sorted(values)
        case {"const": int()}:
            return "integer"
        case {"type": [other, "null"]}:
            return [other, None]
        case {"type": "array", "items": items}:
            return [shape(items, defs)]
        case {"type": "object", "properties": fields} if "apiVersion" not in fields:
            return {name: shape(field, defs) for name, field in sorted(fields.items())}
    return schema["type"]


def structs(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a schema that stand for structs."""
    parts = [schema, *schema["$defs"].values()]
    return [part for part in parts if "apiVersion" not in part["properties"]]


@pytest.mark.parametrize("struct", SCHEMAS)
def test_a_schema_has_the_fields_and_types_of_the_struct_and_says_what_each_means(struct):
    (ref,), defs = msgspec.json.schema_components([struct])
    schema = SCHEMAS[struct]
    assert shape(schema, schema["$defs"]) == shape(ref, defs)
    for part in structs(schema):
        assert {*part["required"]} == {*part["properties"]}
        assert part["additionalProperties"] is False
        unsaid = {name for name, field in part["properties"].items() if "description" not in field}
        assert unsaid <= {"direction"}


def learned() -> list[Recommendation]:
    """Made by the recommender from flows of two days."""
    hours = range(0, 48, 3)
    pairs = [("shop/front", "shop/cart"), ("shop/cart", "data/db")]
    inside = [each for hour in hours for pair in pairs for each in both_sides(*pair, hour=hour)]
    return NO_POLICIES.recommend(inside)


def test_what_the_recommender_makes_is_valid():
    made = learned()
    assert made
    assert any(each.score for each in made)
    assert [problems(each) for each in made] == [[]] * len(made)


MADE = {
    "whole": recommendation("shop", "front", 80, 81),
    "without a score": recommendation("shop", "front", score=None),
    "accepted": recommendation("shop", "front", 80, rules=[], decision="accept", tightens="np:shop/all"),
    "an accept": Decision(FRONT, "accept", "jo", MONDAY, "", manifest("shop", "front", 80)),
    "an ignore": Decision(FRONT, "ignore", "jo", MONDAY, "legacy"),
}
WRONG = {
    "of another version": recommendation("shop", "front", v=2),
    "without a name": recommendation("shop", "front", name="front"),
    "no policy": recommendation("shop", "front", manifest={}),
    "an accept of nothing": Decision(FRONT, "accept", "jo", MONDAY),
    "an ignore with a manifest": Decision(FRONT, "ignore", "jo", MONDAY, "", manifest("shop", "front")),
}


@pytest.mark.parametrize("value", MADE.values(), ids=MADE)
def test_what_is_written_to_the_topics_is_valid(value):
    assert problems(value) == []


@pytest.mark.parametrize("value", WRONG.values(), ids=WRONG)
def test_what_a_reader_could_make_nothing_of_is_not_valid(value):
    assert problems(value)


def test_the_example_consumer_prints_manifests_of_stable_ones_and_what_is_withdrawn(kafka, topic_prefix):
    topic = f"{topic_prefix}example"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(topic, 1, 1, config={"cleanup.policy": "compact"})])[topic].result()
    producer = Producer({"bootstrap.servers": kafka})
    for value in (recommendation("shop", "cart", 80), recommendation("shop", "front", 80, status=STABLE)):
        producer.produce(topic, msgspec.json.encode(value), value.name)
    producer.produce(topic, None, FRONT)
    assert producer.flush(20) == 0
    command = [sys.executable, str(DOCS / "examples" / "consume_recommendations.py"), kafka, topic, "3"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told == [manifest("shop", "front", 80), {"withdrawn": FRONT}]

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from jsonschema import Draft202012Validator

from pipeline.dead_letter import to_record
from pipeline.decode import decode
from pipeline.flow import FIELDS, fields_table
from pipeline.kept_rejects import Replayed, read, replayed_record
from tests.pipeline.flow_records import NOW, RECORD, message, record

DOCS = Path(__file__).parents[2] / "docs"


def validator(name: str) -> Draft202012Validator:
    schema = json.loads((DOCS / "schemas" / f"{name}.v1.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


AGGREGATED = (
    RECORD | dict.fromkeys(("source_ip", "dest_ip", "source_port")) | {"source_name": "-", "dest_name": "-"}
)
GOOD: list[dict[str, Any]] = [
    RECORD,
    AGGREGATED,
    {"reporter": "src"},
    RECORD | {"policies": None, "unheard_of": 1},
]
WRONG: list[dict[str, Any]] = [
    {"reporter": "both"},
    {"bytes_in": -1},
    {"dest_port": 65536},
    {"action": "drop"},
]


@pytest.mark.parametrize("flow", GOOD, ids=lambda flow: f"{len(flow)} fields")
def test_what_decodes_is_valid_in_both_message_forms(flow):
    validator("flows").validate(flow)
    validator("flows").validate([flow, flow])
    assert decode([message(json.dumps(flow).encode())], NOW).rejects == []


@pytest.mark.parametrize("change", WRONG, ids=str)
def test_what_is_rejected_for_its_values_is_not_valid(change):
    assert not validator("flows").is_valid(RECORD | change)
    assert len(decode([message(record(**change))], NOW).rejects) == 1


def test_the_schema_knows_every_field_that_is_decoded_with_the_same_meaning():
    properties = validator("flows").schema["$defs"]["flow"]["properties"]
    decoded = {field.name: field.meaning for field in FIELDS if field.decoded and "." not in field.name}
    assert {name: properties[name]["description"] for name in decoded} == decoded
    assert set(properties) == {*decoded, "policies"}


@pytest.mark.parametrize("value", [None, b"", b"\xff", b"{", record(reporter=...), b"[" * 70_000], ids=repr)
def test_every_reject_is_valid(value):
    for reject in decode([message(value)], NOW).rejects:
        validator("flows-rejected").validate(json.loads(to_record(reject)[1]))


def test_every_reject_and_the_record_that_it_was_replayed_can_be_told_apart():
    (reject,) = decode([message(b"{}")], NOW).rejects
    records = [to_record(reject)[1], replayed_record(reject.origin, 1_700_000_000_000)[1]]
    for each in records:
        validator("flows-rejected").validate(json.loads(each))
    assert [isinstance(read(each), Replayed) for each in records] == [False, True]
    both = json.loads(records[0]) | json.loads(records[1])
    assert not validator("flows-rejected").is_valid(both)


def test_the_table_of_fields_has_a_row_for_each():
    assert fields_table().count("\n") == len(FIELDS) + 2
    assert "| `verdict.impact` | keyword | yes |" in fields_table()


def run(example: str, *arguments: str) -> str:
    command = [sys.executable, str(DOCS / "examples" / example), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def topic(kafka: str, topic_prefix: str) -> str:
    name = f"{topic_prefix}example"
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result()
    return name


def test_the_example_producer_sends_flows_that_decode(kafka: str, topic: str, tmp_path: Path):
    file = tmp_path / "flows.log"
    file.write_bytes(b"\n".join(record(dest_port=1 + i) for i in range(700)))
    assert run("produce_flows.py", kafka, topic, str(file)) == "700 flows sent\n"
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    values = [got.value() for got in consumer.consume(2, timeout=60)]
    consumer.close()
    batch = decode([message(value, offset) for offset, value in enumerate(values)], NOW).batch
    assert batch.dest_port.tolist() == list(range(1, 701))


def test_the_example_consumer_prints_rejects_with_their_reasons(kafka: str, topic: str):
    producer = Producer({"bootstrap.servers": kafka})
    for reject in decode([message(record(reporter="both"), 5)], NOW).rejects:
        key, value, headers = to_record(reject)
        producer.produce(topic, value, key, headers=dict(headers))
        key, value = replayed_record(reject.origin, 1)
        producer.produce(topic, value, key)
    producer.flush()
    rejected, replayed = run("consume_rejects.py", kafka, topic, "2").splitlines()
    assert "-0-5 0 decode: Invalid enum value 'both'" in rejected
    assert replayed.endswith("-0-5 0 replayed")

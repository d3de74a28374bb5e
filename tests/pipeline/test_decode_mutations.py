"""Whatever comes is decoded: each line is one flow or one reject, and its neighbours are what they were."""

import random
from collections import Counter
from collections.abc import Iterator
from itertools import batched
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decode import Decoded, decode
from pipeline.flow import FlowBatch, Message
from tests.pipeline.flow_records import NOW, TOPIC_ID, message, record
from tests.pipeline.mutations import mutated

MUTATIONS = 100_000
EXAMPLES = 200
LINES = MUTATIONS // EXAMPLES  # of one example

FILES = (
    Path(__file__).with_name("real_flows.ndjson"),  # as people published them
    *sorted((Path(__file__).parents[1] / "cases" / "judge").glob("*/flows.ndjson")),
)
RECORDS = [
    *(line for file in FILES for line in file.read_bytes().splitlines()),
    record(),
    record(reporter="src", dest_domains=["a.example", "b.example"], dest_port=443),
    record(source_ip=None, source_name="-", source_port=None, dest_service_name="-"),
    record(policies={"all_policies": ["0|t|ns/t.staged:p|deny|1"]}, process_name="-", tcp_mean_mss=1_400),
]
GOOD = [record(dest_port=port, source_name=f"web-{port}", bytes_in=port) for port in range(1, 40)]

type Row = dict[str, Any]


def test_of_a_hundred_thousand_mutated_records_each_is_a_flow_or_a_reject_and_their_neighbours_stay() -> None:
    lines = Counter[str]()

    @settings(max_examples=EXAMPLES, deadline=None, database=None)
    @given(st.lists(st.integers(0, 2**32 - 1), min_size=LINES, max_size=LINES))
    def check(seeds: list[int]) -> None:
        chances = map(random.Random, seeds)
        mutations = [mutated(chance, chance.choice(RECORDS)) for chance in chances]
        messages = list(among_good(mutations))
        decoded = decode(messages, NOW)
        check_each_once(messages, decoded)
        check_good(messages, decoded.batch)
        check_alone(decoded.batch)
        lines.update(flows=len(decoded.batch), rejects=len(decoded.rejects), mutations=len(mutations))

    check()
    assert lines["mutations"] >= MUTATIONS
    assert min(lines["flows"], lines["rejects"]) > MUTATIONS / 4  # both were tried


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32 - 1), st.binary(max_size=40))
def test_whatever_a_message_is_it_is_its_flows_and_rejects(seed: int, junk: bytes) -> None:
    chance = random.Random(seed)
    line = mutated(chance, chance.choice(RECORDS))
    arrays = b"[%b]" % line, b"[%b,%b]" % (GOOD[0], line)
    values = [junk, line, *arrays, b"data:" + line, junk + line, line + junk]
    decoded = decode([message(value, offset) for offset, value in enumerate(values)], NOW)
    told = Counter(offset_of(id_) for id_ in decoded.batch.ids)
    told.update(reject.origin.offset for reject in decoded.rejects)
    assert set(told) == set(range(len(values)))


def among_good(lines: list[bytes]) -> Iterator[Message]:
    """Messages of a few lines, of which every third is a good one: the first, so that they are lines."""
    good = iter(GOOD * len(lines))
    for offset, part in enumerate(batched(lines, 14)):
        value = [line for pair in batched(part, 2) for line in (next(good), *pair)]
        yield message(b"\n".join(value), offset)


def check_each_once(messages: list[Message], decoded: Decoded) -> None:
    rows = [f"{each.offset}-{row}" for each in messages for row in range(lines_of(each))]
    told = [id_.removeprefix(f"{TOPIC_ID}-0-") for id_ in decoded.batch.ids]
    told += [f"{reject.origin.offset}-{reject.origin.row}" for reject in decoded.rejects]
    assert sorted(told) == sorted(rows)
    assert all(reject.reason and reject.value for reject in decoded.rejects)


def check_good(messages: list[Message], batch: FlowBatch) -> None:
    at = {id_: row for row, id_ in enumerate(batch.ids)}
    for each in messages:
        assert each.value
        for row, line in enumerate(each.value.split(b"\n")):
            if row % 3 == 0:
                assert row_of(batch, at[f"{TOPIC_ID}-0-{each.offset}-{row}"]) == ALONE[line]


def check_alone(batch: FlowBatch) -> None:
    """Flows are what they are without neighbours too."""
    for row in range(0, len(batch), 10):
        alone = decode([message(batch.raw[row])], NOW).batch
        assert row_of(alone, 0) == row_of(batch, row)


def row_of(batch: FlowBatch, row: int) -> Row:
    """All that a batch says of one flow, but its id."""
    said: Row = {"raw": batch.raw[row]}
    for name in FlowBatch.__dataclass_fields__.keys() - {"raw", "ids", *LISTS.values()}:
        value = getattr(batch, name)[row].item()
        said[name] = getattr(batch, LISTS[name])[value] if name in LISTS else value
    return said


LISTS = {
    **dict.fromkeys(("source", "dest"), "endpoints"),
    "host": "hosts",
    "service": "services",
    "domain": "domains",
    "logged": "logs",
}
ALONE = {line: row_of(decode([message(line)], NOW).batch, 0) for line in GOOD}


def lines_of(each: Message) -> int:
    assert each.value
    return each.value.count(b"\n") + 1


def offset_of(id_: str) -> int:
    return int(id_.split("-")[-2])

"""Records that are written alike are read at once, and never otherwise than one by one."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.columns import Columns
from pipeline.decode import decode
from pipeline.flow import FlowBatch
from pipeline.stencil import COUNTERS, Stencil
from tests.pipeline.flow_records import NOW, RECORD, message

TIMES = ("start_time", "end_time")


def in_order(*names: str) -> dict[str, Any]:
    return {name: RECORD[name] for name in names} | RECORD


LATE = ("proto", "policies")
MORE_BEHIND = {name: RECORD[name] for name in sorted(RECORD, key=LATE.__contains__)}
WRITTEN = {
    "as Calico writes it": orjson.dumps(RECORD),
    "with spaces": json.dumps(RECORD).encode(),
    "what varies first, all else behind it": orjson.dumps(in_order(*TIMES, *COUNTERS, "host")),
    "some of it behind all that varies": orjson.dumps(MORE_BEHIND),
    "keys that nobody knows": orjson.dumps(RECORD | {"more": 1, "process_args": ["a", "b"]}),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_what_recurs_is_read_once(way):
    line = WRITTEN[way]
    lines = [line.replace(b"1700000300", b"%d" % (1_700_000_300 + n)) for n in range(50)]
    columns = Columns()
    assert columns.add_alike(lines)
    assert len(columns._runs) == 1
    assert decode([message(b"\n".join(lines))]).batch.end.tolist() == [
        (1_700_000_300 + n) * 1000 for n in range(50)
    ]


def test_members_may_be_left_out_of_what_recurs():
    without = {name: value for name, value in RECORD.items() if name not in ("source_ip", "policies")}
    assert Columns().add_alike([orjson.dumps(RECORD), orjson.dumps(without)])


HEAD, LINE = b'{"start_time":1700000000,"end_time":1700000300', orjson.dumps(RECORD)
RUN, TAIL = LINE[len(HEAD) : LINE.index(b',"bytes_in"')], LINE[LINE.index(b',"bytes_in"') :]
FORGED = {
    "all of it within another object": b'{"x":' + LINE + b"}",
    "what recurs within another object": HEAD + b',"x":{"end_time":1' + RUN + b"}" + TAIL,
    "what recurs begins within another object": HEAD + b',"x":{"y":1,"end_time":1' + RUN + TAIL + b"}",
    "what recurs within a text": HEAD + b',"x":"' + RUN[1:].replace(b'"', b"'") + b'"' + TAIL,
    "no member before the comma": b'{                  ,"end_time":1' + RUN + TAIL,
    "two commas": HEAD + b"," + RUN + TAIL,
    "a comma before the last key": HEAD + RUN + b"," + TAIL,
    "a brace too many": HEAD + RUN + b"}" + TAIL,
    "two objects": HEAD + RUN + b"}" + b'{"bytes_in":1' + TAIL,
    "no end": HEAD + RUN + TAIL[:-1],
    "who it was in the tail": HEAD + TAIL[:-1] + RUN + b"}",
    "a counter twice": HEAD + RUN + b',"bytes_in":7' + TAIL,
    "a reporter twice": HEAD + RUN + TAIL[:-1] + b',"reporter":"src"}',
    "a key that the document adds, in the tail": HEAD + RUN + TAIL[:-1] + b',"verdict":{}}',
    "a key that the document adds, in what recurs": HEAD + b',"cluster":"x"' + RUN + TAIL,
    "not UTF-8, in what recurs": HEAD + b',"x":"\xff"' + RUN + TAIL,
    "not UTF-8, in the tail": HEAD + RUN + TAIL[:-1] + b',"x":"\xff"}',
    "braces in a text of the tail": HEAD + RUN + TAIL[:-1] + b',"x":"{{"}',
    "an object in the tail": HEAD + RUN + TAIL[:-1] + b',"x":{"reporter":"src"}}',
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED)
def test_however_a_line_is_forged_it_is_read_as_it_is_alone(forged, monkeypatch):
    at_once = told([LINE, FORGED[forged], LINE])
    monkeypatch.setattr(Columns, "add_alike", lambda *_: False)
    assert told([LINE, FORGED[forged], LINE]) == at_once


BEHIND = orjson.dumps(MORE_BEHIND)
CUT = BEHIND.index(b',"proto"')
FORGED_BEHIND = {
    "no end": BEHIND[:-1],
    "another end": BEHIND[:-1] + b"]",
    "a brace too many": BEHIND + b"}",
    "a text over both cuts": BEHIND.replace(b',"dest_domains":null', b',"x":"\\').replace(
        b',"policies"', b'","policies"'
    ),
    "nothing behind": BEHIND[:CUT] + b"}",
    "two commas": BEHIND[:CUT] + b"," + BEHIND[CUT:],
    "a counter behind": BEHIND[:-1] + b',"bytes_in":7}',
    "a reporter behind": BEHIND[:-1] + b',"reporter":"src"}',
    "the last key behind, in an object": BEHIND[:-1] + b',"x":{"y":1,"host":"z","a":1}}',
    "a key that the document adds behind": BEHIND[:-1] + b',"verdict":{}}',
    "a comma in the last value": BEHIND.replace(b'"node-1"', b'"node,1"'),
    "not UTF-8 behind": BEHIND[:-1] + b',"x":"\xff"}',
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED_BEHIND)
def test_however_what_stands_behind_is_forged_it_is_read_as_it_is_alone(forged, monkeypatch):
    at_once = told([BEHIND, FORGED_BEHIND[forged], BEHIND])
    monkeypatch.setattr(Columns, "add_alike", lambda *_: False)
    assert told([BEHIND, FORGED_BEHIND[forged], BEHIND]) == at_once


PIECES = (*(bytes([byte]) for byte in b',{}"\\[] \xff'), b':1,"x":{', b',"bytes_in":', b',"end_time":2')


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from((LINE, BEHIND)),
    st.integers(0, len(LINE)),
    st.integers(0, 40),
    st.lists(st.sampled_from(PIECES), max_size=3).map(b"".join),
)
def test_any_mutation_is_read_as_it_is_alone(line, at, cut, splice):
    mutated = line[:at] + splice + line[at + cut :]
    at_once = told([line, mutated, line])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Columns, "add_alike", lambda *_: False)
        assert told([line, mutated, line]) == at_once


def test_a_line_that_is_no_object_gives_no_stencil():
    for line in (b"x", b"17", b"{}", b'{"a":1}', b"[" * 100_000):
        assert Stencil.of(line) is None


def told(lines: list[bytes]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """All that is decoded of lines, row by row, and why others are not."""
    decoded = decode([message(b"\n".join(lines))], NOW)
    rejects = [(reject.origin, reject.reason, reject.value) for reject in decoded.rejects]
    return rows(decoded.batch), rejects


def rows(batch: FlowBatch) -> list[tuple[Any, ...]]:
    lists: dict[str, list[Any]] = {
        "source": batch.endpoints,
        "dest": batch.endpoints,
        "host": batch.hosts,
        "service": batch.services,
        "domain": batch.domains,
        "logged": batch.logs,
    }
    single = ("start", "end", "timed", "reporter", "action", "proto", "source_port", "dest_port", *COUNTERS)
    columns = [[values[number] for number in getattr(batch, name)] for name, values in lists.items()]
    columns += (getattr(batch, name).tolist() for name in single)
    return list(zip(batch.raw, batch.ids, *columns, strict=True))

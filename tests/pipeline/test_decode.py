import json

import numpy as np
import pytest

from pipeline.decode import Limits, decode
from pipeline.flow import ACTIONS, FIELDS, REPORTERS, FlowBatch
from pipeline.record import Record
from tests.pipeline.flow_records import NOW, RECORD, TOPIC_ID, message, record


def decode_one(**changes: object) -> FlowBatch:
    decoded = decode([message(record(**changes))], NOW)
    assert decoded.rejects == []
    return decoded.batch


def test_a_record_becomes_one_row_of_columns():
    batch = decode_one()
    source, dest = batch.endpoints[batch.source[0]], batch.endpoints[batch.dest[0]]
    labels = b'{"labels": ["app=%s"]}'
    assert source == ("wep", "shop", "web-6b687c8dcb-zn5s2", "web-6b687c8dcb-*", "10.0.0.1", labels % b"web")
    assert dest == ("wep", "data", "db-0", "db-*", "10.0.0.2", labels % b"db")
    assert (batch.start[0], batch.end[0], batch.timed[0]) == (1_700_000_000_000, 1_700_000_300_000, True)
    assert (REPORTERS[batch.reporter[0]], ACTIONS[batch.action[0]], batch.proto[0]) == ("dst", "allow", 6)
    assert (batch.source_port[0], batch.dest_port[0]) == (42106, 5432)
    assert batch.services[batch.service[0]] == ("data", "db", "pg")
    assert batch.hosts[batch.host[0]] == "node-1"
    assert batch.domains[batch.domain[0]] is None
    assert batch.logs[batch.logged[0]].enforced == ("0|default|np:data/db|allow|0",)
    counters = "bytes_in bytes_out packets_in packets_out num_flows num_flows_started num_flows_completed"
    assert [getattr(batch, name)[0] for name in counters.split()] == [100, 200, 10, 20, 3, 2, 1]
    assert batch.raw == [record()]
    assert batch.ids == [f"{TOPIC_ID}-0-0-0"]


ONE, TWO = record(), record(dest_port=53, proto="udp")
FORMS = {
    "one flow": (ONE, 1),
    "one flow, spaces around": (b" " + ONE + b"\n", 1),
    "lines": (ONE + b"\n" + TWO, 2),
    "lines with a blank one and carriage returns": (ONE + b"\r\n\r\n" + TWO + b"\r\n", 2),
    "an array": (b"[" + ONE + b"," + TWO + b"]", 2),
    "an array over many lines": (json.dumps([json.loads(ONE), json.loads(TWO)], indent=2).encode(), 2),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_message_form_gives_the_same_rows(form):
    value, n = FORMS[form]
    decoded = decode([message(value)], NOW)
    assert decoded.rejects == []
    assert decoded.batch.dest_port.tolist() == [5432, 53][:n]
    assert decoded.batch.ids == [f"{TOPIC_ID}-0-0-{row}" for row in range(n)]
    assert all(json.loads(raw) and b"\n" not in raw for raw in decoded.batch.raw)


MISSING_VALUES = [
    *(
        {name: value}
        for name in ("source_name", "dest_namespace", "source_ip")
        for value in ("-", "*", "", None)
    ),
    *({name: value} for name in ("source_port", "dest_port") for value in ("-", "*", "", None, -1, 0)),
    *({name: None} for name in ("bytes_in", "num_flows", "action", "proto", "policies", "host")),
    {"source_labels": None},
    {"action": "-"},
    {"proto": "-"},
    {"source_type": "-"},
]


@pytest.mark.parametrize("change", MISSING_VALUES, ids=str)
def test_what_is_missing_is_as_if_it_were_not_there(change):
    (name,) = change
    said, unsaid = decode_one(**change), decode_one(**{name: ...})
    for column in ("source_port", "dest_port", "action", "proto", "bytes_in", "num_flows"):
        assert getattr(said, column).tolist() == getattr(unsaid, column).tolist()
    assert said.endpoints == unsaid.endpoints
    assert said.hosts == unsaid.hosts
    assert said.logs == unsaid.logs


PROTOCOLS = [("tcp", 6), ("UDP", 17), ("icmp", 1), ("icmp6", 58), ("sctp", 132), ("ipip", 4), ("esp", 50)]


@pytest.mark.parametrize(("proto", "number"), [*PROTOCOLS, ("udplite", 136), ("47", 47), (47, 47), ("0", 0)])
def test_a_protocol_is_a_name_or_a_number(proto, number):
    assert decode_one(proto=proto).proto.tolist() == [number]


@pytest.mark.parametrize(("proto", "port"), [("icmp", 0), ("tcp", -1), ("udp", -1), ("icmp6", -1), ("-", -1)])
def test_port_0_is_a_type_and_code_of_icmp_and_elsewhere_no_port(proto, port):
    assert decode_one(proto=proto, dest_port=0).dest_port.tolist() == [port]


@pytest.mark.parametrize(("said", "reporter"), [("dst, fwd", "dst"), ("src, fwd", "src"), ("fwd", "fwd")])
def test_a_forwarding_reporter_that_is_also_an_end_reports_as_that_end(said, reporter):
    assert REPORTERS[decode_one(reporter=said).reporter[0]] == reporter


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"start_time": 1_700_000_000.5}, (1_700_000_000_500, 1_700_000_300_000, True)),
        ({"end_time": "2023-11-14T22:18:20Z"}, (1_700_000_000_000, 1_700_000_300_000, True)),
        ({"start_time": ...}, (1_700_000_300_000, 1_700_000_300_000, True)),
        ({"end_time": None}, (1_700_000_000_000, 1_700_000_000_000, True)),
        ({"start_time": ..., "end_time": ...}, (1_700_000_300_000, 1_700_000_300_000, False)),
    ],
)
def test_a_missing_time_is_the_other_one_and_without_both_it_is_kafkas(times, expected):
    batch = decode_one(**times)
    assert (batch.start[0], batch.end[0], batch.timed[0]) == expected


def test_only_enforced_hits_are_read_where_a_node_logs_all_of_them():
    hits = [
        "2|default|policy-demo/default.nginx|allow|2",
        "0|one|ns1/one.p|pass|3",
        "1|two|ns2/two.staged:q|deny|1",
    ]
    batch = decode_one(policies={"all_policies": hits})
    assert batch.logs == [(("0|one|np:ns1/one.p|pass|3", "1|default|np:policy-demo/nginx|allow|2"),)]


@pytest.mark.parametrize("policies", [["nonsense"], "nonsense", 3, {"enforced_policies": ["nonsense"]}, {}])
def test_a_trace_that_cannot_be_read_is_none_and_no_reason_to_reject(policies):
    assert decode_one(policies=policies).logs == [(None,)]


def test_keys_that_the_document_adds_are_taken_out_and_nothing_else_changes():
    added = {
        "@timestamp": 5,
        "cluster": "other",
        "verdict": {"impact": "none"},
        "bytes_in": 100,
        "more": [1.50, None],
    }
    (raw,) = decode_one(**added).raw
    assert json.loads(raw) == RECORD | {"more": [1.50, None]}


@pytest.mark.parametrize(
    "key",
    ["verdict.impact", "verdict.enforced.action", "verdict.enforced", "cluster", r"\u0076erdict.impact"],
)
def test_no_way_to_write_a_key_that_the_document_adds_gets_past(key):
    forged = b'{"%b":"newly_denied",%b' % (key.encode(), record()[1:])
    (raw,) = decode([message(forged)], NOW).batch.raw
    assert json.loads(raw) == RECORD
    assert decode([message(forged + b"\n" + ONE)], NOW).batch.raw[1] == ONE


BAD = {
    "not JSON": b"x",
    "half a line": record()[:-20],
    "not UTF-8": record(host="node").replace(b"node", b"n\xffde"),
    "NUL": record(host="node").replace(b"node", b"n\x00de"),
    "a byte order mark": b"\xef\xbb\xbf" + record(),
    "half a surrogate pair": record(host="X").replace(b"X", rb"\ud800"),
    "half a surrogate pair in labels": record(source_labels={"labels": ["X"]}).replace(b"X", rb"\udfff"),
    "half a surrogate pair in a key": record(X=1).replace(b"X", rb"\ud800"),
    "an escape that is none": record(X=1).replace(b"X", rb"\q"),
    "not a number": record(X=1).replace(b'"X": 1', b'"X": NaN'),
    "infinity": record(X=1).replace(b'"X": 1', b'"X": -Infinity'),
    "a number that begins with 0": record(X=1).replace(b'"X": 1', b'"X": 01'),
    "a comma too many": record(X=1).replace(b'"X": 1', b'"X": [1,]'),
    "a comment": record(X=1).replace(b'"X": 1', b'"X": 1 /* one */'),
    "two objects": record() + record(),
    "no object": b"17",
    "larger than any flow": record(more="x" * (512 * 1024)),
    "nested too deep": record(more="x").replace(b'"x"', b"[" * 100_000 + b"]" * 100_000),
    "nested too deep in what is no flow": b'{"reporter":1,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no reporter": record(reporter=...),
    "unknown reporter": record(reporter="both"),
    "unknown action": record(action="drop"),
    "unknown type": record(source_type="pod"),
    "unknown protocol": record(proto="quic"),
    "protocol out of range": record(proto=256),
    "wrong type": record(source_namespace=7),
    "wrong type of a list": record(dest_domains="a.example"),
    "negative counter": record(bytes_in=-1),
    "counter too large": record(bytes_in=2**63),
    "counter as text": record(num_flows="3"),
    "port out of range": record(dest_port=65536),
    "port as text": record(dest_port="http"),
    "no address": record(dest_ip="10.0.0.256"),
    "labels of another shape": record(source_labels=["app=web"]),
    "labels that are no text": record(source_labels={"labels": [1]}),
    "too many labels": record(source_labels={"labels": [f"l{i}=x" for i in range(1025)]}),
    "no time": record(end_time="yesterday"),
    "a time that is infinite": record(end_time=1).replace(b'"end_time": 1', b'"end_time": 1e999'),
    "negative time": record(start_time=-7),
    "milliseconds": record(start_time=1_700_000_000_000, end_time=1_700_000_300_000),
    "backwards": record(start_time=1_700_000_301),
    "far past": record(start_time=1, end_time=2),
    "far future": record(end_time=1_700_200_000),
    "beyond all calendars": record(end_time=10**30),
    "before all calendars": record(start_time=-(10**30)),
    "a counter of many digits": record(bytes_in=10**400),
}


@pytest.mark.parametrize("bad", BAD)
def test_one_bad_flow_is_one_reject_and_its_neighbours_are_untouched(bad):
    decoded = decode([message(ONE + b"\n" + BAD[bad] + b"\n" + TWO, 7), message(ONE, 8)], NOW)
    (reject,) = decoded.rejects
    assert reject.origin == (TOPIC_ID, 0, 7, 1_700_000_300_000, 1)
    assert reject.stage == "decode"
    assert reject.value == BAD[bad]
    assert reject.reason
    assert decoded.batch.ids == [f"{TOPIC_ID}-0-7-0", f"{TOPIC_ID}-0-7-2", f"{TOPIC_ID}-0-8-0"]
    assert decoded.batch.dest_port.tolist() == [5432, 53, 5432]
    assert decoded.batch.raw == [ONE, TWO, ONE]


@pytest.mark.parametrize(
    "value",
    [None, b"", b" \n ", b"[", b"[{]", b"[]", b"x" * 2000, b"[" * 1500, b"x\n" * 11, b"[0%b]" % (b",0" * 10)],
    ids=lambda value: repr(value)[:12],
)
def test_a_message_that_is_no_flows_at_all_is_one_reject(value):
    limits = Limits(value_bytes=1900, flows=10)
    decoded = decode([message(ONE, 1), message(value, 2), message(TWO, 3)], NOW, limits)
    (reject,) = decoded.rejects
    assert (reject.origin.offset, reject.value) == (2, value)
    assert decoded.batch.ids == [f"{TOPIC_ID}-0-1-0", f"{TOPIC_ID}-0-3-0"]


def test_without_a_clock_flows_of_any_time_are_taken():
    assert len(decode([message(record(start_time=1, end_time=2))]).batch) == 1


def test_no_messages_are_an_empty_batch():
    assert len(decode([], NOW).batch) == 0


def test_many_flows_keep_their_order_and_share_what_is_equal():
    flows = [record(dest_port=1 + i % 65535, source_namespace=f"ns-{i % 3}") for i in range(5000)]
    batch = decode([message(b"\n".join(flows[i : i + 700]), i) for i in range(0, 5000, 700)], NOW).batch
    assert batch.dest_port.tolist() == [1 + i for i in range(5000)]
    assert len(batch.endpoints) == 4
    assert batch.raw == flows
    assert np.all(batch.service == 0)


def test_every_decoded_field_of_the_table_is_in_the_record_and_the_other_way_round():
    named = {field.name.partition(".")[0] for field in FIELDS if field.decoded}
    assert named == set(Record.__struct_encode_fields__)

import base64
import hashlib
import json

import pytest

from pipeline.dead_letter import KEPT_BYTES, Origin, Reject, to_record
from pipeline.decode import Limits, decode
from pipeline.kept_rejects import Kept, Replayed, UnknownRecordError, read, replayed_record
from pipeline.kept_rejects import value as kept_value
from tests.pipeline.flow_records import NOW, TOPIC_ID, message, record

FLOW = Origin(TOPIC_ID, 3, 4711, 1_700_000_300_000, 2)
WHOLE = FLOW._replace(row=None)


def told(origin: Origin) -> dict[str, bytes]:
    return dict(origin.headers())


def test_a_reject_tells_its_origin_stage_and_reason_and_keeps_its_bytes():
    value = record()
    key, body, headers = to_record(Reject(FLOW, "index", "a reason", value))
    assert key == f"{TOPIC_ID}-3-4711".encode()
    assert json.loads(body) == {
        "v": 1,
        "origin": {
            "topic_id": TOPIC_ID,
            "partition": 3,
            "offset": 4711,
            "timestamp": 1_700_000_300_000,
            "row": 2,
        },
        "stage": "index",
        "reason": "a reason",
        "size": len(value),
        "sha256": hashlib.sha256(value).hexdigest(),
        "encoding": "text",
        "value": value.decode(),
        "whole": True,
    }
    assert headers == [
        ("flowtier-topic-id", TOPIC_ID.encode()),
        ("flowtier-partition", b"3"),
        ("flowtier-offset", b"4711"),
        ("flowtier-timestamp", b"1700000300000"),
        ("flowtier-row", b"2"),
    ]


@pytest.mark.parametrize(
    ("value", "encoding", "size", "whole"),
    [
        (None, "text", None, True),
        (b"\xff\xfe", "base64", 2, True),
        (b"x" * KEPT_BYTES, "text", KEPT_BYTES, True),
        (b"x" * (KEPT_BYTES + 1), "text", KEPT_BYTES + 1, False),
    ],
    ids=["tombstone", "no text", "just whole", "too large"],
)
def test_at_most_64_kib_are_kept_beside_the_size_and_hash_of_all(value, encoding, size, whole):
    body = json.loads(to_record(Reject(WHOLE, "decode", "a reason", value))[1])
    kept = base64.b64decode(body["value"]) if encoding == "base64" else body["value"].encode()
    assert (body["encoding"], body["size"], body["whole"]) == (encoding, size, whole)
    assert kept == (value or b"")[:KEPT_BYTES]
    assert body["sha256"] == hashlib.sha256(value or b"").hexdigest()


def test_however_long_a_wrong_value_is_its_record_stays_small():
    (reject,) = decode([message(record(reporter="x" * 5_000_000))], NOW, Limits(flow_bytes=10**7)).rejects
    body = to_record(reject)[1]
    assert json.loads(body)["reason"].startswith("Invalid enum value 'xxx")
    assert len(body) < 2 * KEPT_BYTES


def test_a_record_reads_back_as_it_was_written():
    value = record() + b"\xff"
    kept = read(body := to_record(Reject(FLOW, "decode", "a reason", value))[1])
    assert isinstance(kept, Kept)
    assert (kept.origin, kept.stage, kept.reason, kept.size) == (FLOW, "decode", "a reason", len(value))
    assert kept_value(body) == value
    key, body = replayed_record(FLOW, 5)
    assert key == FLOW.key
    replayed = read(body)
    assert isinstance(replayed, Replayed)
    assert (replayed.origin, replayed.replayed) == (FLOW, 5)


FOREIGN = [None, b"", b"{", b"{}", b'{"v": 2, "replayed": 1}', b'{"x":' + b"[" * 20_000]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_record_that_is_none_of_ours_is_told(foreign):
    with pytest.raises(UnknownRecordError):
        read(foreign)


@pytest.mark.parametrize("origin", [FLOW, WHOLE], ids=["a flow", "a whole message"])
def test_a_replayed_reject_keeps_its_document_id_however_often_it_is_replayed(origin):
    headers = (("trace-id", b"abc"), *origin.headers())
    timeless = record(start_time=..., end_time=...)
    once, again = (decode([message(timeless, offset, headers=headers)], NOW).batch for offset in (900, 901))
    assert once.ids == again.ids == [f"{TOPIC_ID}-3-4711-{origin.row or 0}"]
    assert once.end.tolist() == [FLOW.timestamp]


@pytest.mark.parametrize(
    "change",
    [
        {"flowtier-topic-id": b"../x"},
        {"flowtier-topic-id": b""},
        {"flowtier-partition": b"-1"},
        {"flowtier-offset": b"\xff"},
        {"flowtier-offset": b"9" * 40},
        {"flowtier-row": b"two"},
        {"flowtier-timestamp": None},
    ],
    ids=str,
)
def test_headers_that_are_not_whole_and_valid_mean_nothing(change):
    headers = tuple((told(FLOW) | change).items())
    assert decode([message(record(), 9, headers=headers)], NOW).batch.ids == [f"{TOPIC_ID}-0-9-0"]


def test_foreign_headers_mean_nothing():
    headers = (("traceparent", b"00-1-1-1"), ("flowtier-row", b"5"))
    assert decode([message(record(), 9, headers=headers)], NOW).batch.ids == [f"{TOPIC_ID}-0-9-0"]


def test_the_origin_of_one_flow_cannot_be_that_of_several():
    decoded = decode([message(record() + b"\n" + record(), 9, headers=tuple(FLOW.headers()))], NOW)
    assert decoded.batch.ids == [f"{TOPIC_ID}-0-9-0", f"{TOPIC_ID}-0-9-1"]


def test_a_reject_of_a_replayed_reject_tells_the_first_origin():
    decoded = decode([message(b"{}", 9, headers=tuple(FLOW.headers()))], NOW)
    assert [reject.origin for reject in decoded.rejects] == [FLOW]


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("not JSON: unexpected character (byte 3)", "not JSON"),
        ("not UTF-8 (byte 17)", "not UTF-8"),
        ("Expected `int`, got `str` - at `$.bytes_in`", "Expected `int`, got `str`"),
        ("too large: 52428801 bytes in one message, the most is 52428800", "too large"),
        ("document_parsing_exception: failed to parse (no address)", "document_parsing_exception"),
        ("an empty message", "an empty message"),
        ("Invalid enum value 'both' - at `$.reporter`", "Invalid enum value"),
        ("cannot be read: the messages at offsets 3 to 9 (Bad message)", "cannot be read"),
    ],
)
def test_the_kind_of_a_reject_leaves_out_what_differs_from_flow_to_flow(reason, kind):
    assert Reject(Origin("id", 0, 0, 0, None), "decode", reason, b"").kind == kind

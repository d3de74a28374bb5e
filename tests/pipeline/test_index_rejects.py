"""What a reject's document tells of it, and what it keeps to itself."""

import pytest

from pipeline.dead_letter import Origin, Reject, to_record
from pipeline.flow import Message
from pipeline.index_rejects import document_of
from pipeline.kept_rejects import UnknownRecordError, replayed_record

ORIGIN = Origin("flows", 1, 2, 3, None)


def record(value: bytes | None) -> Message:
    return Message(value, "rejected", 0, 7, 1_700_000_000_000)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("not JSON: Input data was truncated", "not JSON: Input data was truncated"),
        (
            "mapper_exception: failed to parse. Preview of field's value: 'secret' (of \"secret\")",
            "mapper_exception: failed to parse. Preview of field's value",
        ),
        ("an endpoint's address or labels: 'secret' is none", "an endpoint's address or labels"),
        ("too large" + "!" * 1_000, "too large" + "!" * 191),
    ],
)
def test_its_reason_is_told_as_far_as_it_quotes_nothing(reason: str, words: str):
    _, value, _ = to_record(Reject(ORIGIN, "index", reason, b"secret"))
    document = document_of(record(value), "c")
    assert document
    assert document["reason"] == words
    assert "secret" not in str(document)


def test_a_replay_is_no_document():
    assert document_of(record(replayed_record(ORIGIN, 4)[1]), "c") is None


def test_what_is_no_record_of_a_reject_is_refused():
    with pytest.raises(UnknownRecordError):
        document_of(record(b"{}"), "c")

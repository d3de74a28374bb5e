"""However a flow file is cut into parts, each line is read once, and is told by its place in the file."""

import gzip
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import flow_files, flow_parts
from pipeline.facts import Facts
from pipeline.flow_files import read_blocks
from pipeline.flow_parts import Part, read_parts
from pipeline.policy.policies import Policies
from pipeline.whatif.run import World, answers
from tests.pipeline.whatif.test_properties import MAX_CELLS

LINES = st.lists(st.sampled_from([b'{"a": 1}', b"{}", b"", b"no flow", b'{"b": "%s"}' % (b"c" * 40)]))


def lines_of(messages, before=0):
    return [
        (message.partition, before + message.offset + row, line)
        for message in messages
        for row, line in enumerate((message.value or b"").splitlines())
        if line.strip()
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(LINES, st.booleans(), st.sets(st.integers(0, 200)))
def test_each_line_is_read_once_wherever_a_file_is_cut(tmp_path, monkeypatch, lines, is_ended, cuts):
    monkeypatch.setattr(flow_files, "CHUNK", 32)
    text = b"\n".join(lines) + (b"\n" if is_ended else b"")
    file = tmp_path / "flows.log"
    file.write_bytes(text)
    found, before = [], 0
    for start, stop in pairwise(sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})):
        messages, count = Part(str(file), 7, start, stop).read()
        found += lines_of(messages, before)
        before += count
    assert found == [(7, at, line) for at, line in enumerate(text.split(b"\n")) if line.strip()]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_line_that_is_no_flow_is_told_by_its_place_in_its_file(tmp_path, monkeypatch, jobs):
    monkeypatch.setattr(flow_parts, "BLOCK", 64)
    texts = [b"{}\n" * 300 + b"wrong\n", b"\n" * 50, b"wrong\n" + b"{}\n" * 99]
    names = [str(tmp_path / f"{number}.log") for number in range(3)]
    for name, text in zip(names, texts, strict=True):
        (tmp_path / name).write_bytes(text)
    world = World(Policies("none"), Facts())
    parts = list(read_parts(names))
    assert len(parts) > 20
    rejects = [each for answer in answers(parts, world, [world], MAX_CELLS, jobs) for each in answer.rejects]
    wrong = [each.origin for each in rejects if each.value and each.value.strip() == b"wrong"]
    assert [(origin.partition, origin.offset) for origin in wrong] == [(0, 300), (2, 0)]
    assert len(rejects) == 300 + 1 + 1 + 99


def test_what_is_packed_is_read_as_it_comes(tmp_path):
    file = tmp_path / "flows.log.gz"
    file.write_bytes(gzip.compress(b'{"a": 1}\n' * 1000))
    (block,) = read_parts([str(file)])
    (other,) = read_blocks([str(file)])
    assert lines_of(block) == lines_of(other)
    assert len(lines_of(block)) == 1000


def test_a_file_that_is_not_there_is_an_error_of_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.log"):
        list(read_parts([str(tmp_path / "nothing.log")]))

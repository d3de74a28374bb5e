"""Real records, changed as bad senders, disks and networks change them."""

import json
import random
from collections.abc import Callable
from typing import Any

from tests.pipeline.flow_records import RECORD

# One of each kind of value, and the edges of those that are right.
VALUES: list[Any] = [
    *(None, True, False, [], {}, "", "-", "*", "\0", "\ud7ff", "\U0010ffff", "-1", "1e3"),
    *("tcp", "dst", "pass", "x" * 5_000),
    *(0, 1, -1, 255, 256, 65_535, 65_536, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**30, 10**400),
    *(0.5, -0.0, 1e300, 1.7e9, 1_700_000_300, "2023-11-14T22:18:20Z", "2023-11-14", "10.0.0.1", "::1", "::g"),
    *([None], [1], ["a=b"], ["a=b"] * 1025, {"labels": None}, {"labels": ["a=b"] * 1025}, {"labels": [1]}),
    *({"enforced_policies": ["0|t|t.p|allow"]}, {"all_policies": ["x"]}, {"a": {"a": {"a": []}}}),
]
# What JSON does not write, or the reader cannot take.
BYTES = [
    *(b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\x0b", b'"', b"\\"),
    *(b"{", b"}", b"[", b"]", b"[" * 2_000, b"9" * 500),
    *(b",", b":", b"NaN", b"Infinity", b"1e999", b"-", b"0", b"\\ud800", b"\\u0000"),
    *(b'"verdict.impact":"none",', b'"@timestamp":1,', b'"bytes_in":1,', b'"":1,', b"null"),
]

type Change = Callable[[random.Random, bytes], bytes]


def _field(random: random.Random, line: bytes) -> bytes:
    """Another value in one field, or a field more."""
    flow = json.loads(line)
    name = random.choice([*RECORD, *flow, "more", "verdict", "cluster", "key", "protocol"])
    flow[name] = random.choice(VALUES)
    return json.dumps(flow).encode()


def _missing(random: random.Random, line: bytes) -> bytes:
    flow = json.loads(line)
    del flow[random.choice(list(flow))]
    return json.dumps(flow, ensure_ascii=False).encode()


def _swap(random: random.Random, line: bytes) -> bytes:
    """The values of two fields in each other's place."""
    flow = json.loads(line)
    one, other = random.choice(list(flow)), random.choice(list(flow))
    flow[one], flow[other] = flow[other], flow[one]
    return json.dumps(flow).encode()


def _twice(random: random.Random, line: bytes) -> bytes:
    """A key twice."""
    name = random.choice(list(json.loads(line)))
    return b"%b,%b:%b}" % (line[:-1], json.dumps(name).encode(), json.dumps(random.choice(VALUES)).encode())


def _cut(random: random.Random, line: bytes) -> bytes:
    return line[: random.randrange(len(line))]


def _splice(random: random.Random, line: bytes) -> bytes:
    """Something in the place of something else."""
    at = random.randrange(len(line))
    return line[:at] + random.choice(BYTES) + line[at + random.choice((0, 0, 1, 4)) :]


def _flip(random: random.Random, line: bytes) -> bytes:
    """A bit or two."""
    flipped = bytearray(line)
    for _ in range(random.choice((1, 1, 2))):
        flipped[random.randrange(len(line))] ^= 1 << random.randrange(8)
    return bytes(flipped)


CHANGES: list[Change] = [_field, _field, _missing, _swap, _twice, _cut, _splice, _splice, _flip]


def mutated(random: random.Random, line: bytes) -> bytes:
    """The record with one change, or one on top of another; never more than one line, nor none."""
    changed = line
    for _ in range(random.choice((1, 1, 1, 2))):
        try:
            changed = random.choice(CHANGES)(random, changed)
        except (ValueError, AttributeError, IndexError, TypeError):  # what was changed is no record any more
            break
    return changed.replace(b"\n", b" ").strip() or b"x"

"""Flow files ▸ messages: JSON lines, gzip and zstd too, read in batches."""

import gzip
import io
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import cast

import zstandard

from pipeline.flow import Message

BATCH_LINES = 20_000
BLOCK_LINES, MESSAGE_LINES = 40_000, 500
CHUNK = 1 << 20  # bytes
STANDARD_INPUT = "-"
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def read_batches(names: Sequence[str]) -> Iterator[list[Message]]:
    """The lines of all files in order, one message each: `partition` is the file's place in `names`,
    `offset` the line, from 0. OSError where a file cannot be read."""
    for number, name in enumerate(names):
        first = 0
        with open_lines(name) as file:
            rows = iter(file)
            while lines := list(islice(rows, BATCH_LINES)):
                now = int(time.time() * 1000)
                numbered = enumerate(lines, first)
                yield [Message(line, "file", number, at, now) for at, line in numbered if line.strip()]
                first += len(lines)


def read_blocks(names: Sequence[str]) -> Iterator[list[Message]]:
    """The same in messages of many lines: `offset` is the first line of a message, from 0."""
    for number, name in enumerate(names):
        first = 0
        with open_lines(name) as file:
            rows = iter(file)
            while lines := list(islice(rows, BLOCK_LINES)):
                now = int(time.time() * 1000)
                if any(line[:1] in (b"[", b"\n", b"\r") for line in lines):  # one by one, for their numbers
                    numbered = enumerate(lines, first)
                    yield [Message(line, "file", number, at, now) for at, line in numbered if line.strip()]
                else:
                    parts = range(0, len(lines), MESSAGE_LINES)
                    yield [
                        Message(b"".join(lines[at : at + MESSAGE_LINES]), "file", number, first + at, now)
                        for at in parts
                    ]
                first += len(lines)


@contextmanager
def open_lines(name: str) -> Iterator[Iterable[bytes]]:
    """The lines of a flow file, unpacked as its first bytes say; "-" is standard input."""
    with ExitStack() as files:
        raw = sys.stdin.buffer if name == STANDARD_INPUT else files.enter_context(Path(name).open("rb", 0))
        file = io.BufferedReader(cast("io.RawIOBase", raw), CHUNK)
        start = file.peek(len(ZSTD))
        if start.startswith(GZIP):
            yield files.enter_context(gzip.open(file))
        elif start.startswith(ZSTD):
            unpacked = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            yield files.enter_context(io.BufferedReader(cast("io.RawIOBase", unpacked), CHUNK))
        else:
            yield file

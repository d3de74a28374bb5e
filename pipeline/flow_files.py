"""Flow files ▸ messages: JSON lines, gzip and zstd too, read in batches."""

import gzip
import io
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import zstandard

from pipeline.flow import Ints, Message

BATCH_LINES = 20_000
BLOCK = 32 << 20  # bytes of the messages that are handled at once
CHUNK = 1 << 20  # bytes
STANDARD_INPUT = "-"
_NEWLINE, _BRACE = b"\n{"
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
        yield from blocks_of(name, number)


def blocks_of(name: str, number: int) -> Iterator[list[Message]]:
    """The same of one file, whose place is `number`."""
    block, size = list[Message](), 0
    with open_lines(name) as file:
        for first, ends, value in chunks(file):
            block += messages_of(value, number, first, ends)
            size += len(value)
            if size >= BLOCK:
                yield block
                block, size = [], 0
    if block:
        yield block


def chunks(file: BinaryIO, limit: int = sys.maxsize) -> Iterator[tuple[int, Ints, bytes]]:
    """The lines that begin in the next `limit` bytes, some at a time: the number of the first, from 0, where
    they end (lines,), and their bytes."""
    first = read = 0
    while value := _whole_lines(file, max(0, min(CHUNK // 2, limit - read))):
        ends = np.flatnonzero(np.frombuffer(value, np.uint8) == _NEWLINE)
        yield first, ends, value
        first += len(ends)
        read += len(value)


def _whole_lines(file: BinaryIO, size: int) -> bytes:
    value = file.read(size)
    return value if value[-1:] in (b"", b"\n") else value + file.readline()


def messages_of(value: bytes, partition: int, first: int, ends: Ints) -> list[Message]:
    """The lines of a chunk, in one message where each may be a record."""
    now = int(time.time() * 1000)
    starts = np.frombuffer(value, np.uint8)[ends[ends + 1 < len(value)] + 1]
    if value.startswith(b"{") and (starts == _BRACE).all():
        return [Message(value, "file", partition, first, now)]
    # Rows of a message are not its lines: each line is one, so that it can be told where it stands.
    numbered = enumerate(value.splitlines(keepends=True), first)
    return [Message(line, "file", partition, at, now) for at, line in numbered if line.strip()]


def is_packed(file: Path) -> bool:
    """Whether its first bytes say that it is gzip or zstd."""
    with file.open("rb") as opened:
        return opened.read(len(ZSTD)).startswith((GZIP, ZSTD))


@contextmanager
def open_lines(name: str) -> Iterator[BinaryIO]:
    """The lines of a flow file, unpacked as its first bytes say; "-" is standard input."""
    with ExitStack() as files:
        raw = sys.stdin.buffer if name == STANDARD_INPUT else files.enter_context(Path(name).open("rb", 0))
        file = io.BufferedReader(cast("io.RawIOBase", raw), CHUNK)
        start = file.peek(len(ZSTD))
        if start.startswith(GZIP):
            yield cast("BinaryIO", files.enter_context(gzip.open(file)))
        elif start.startswith(ZSTD):
            unpacked = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            yield files.enter_context(io.BufferedReader(cast("io.RawIOBase", unpacked), CHUNK))
        else:
            yield file

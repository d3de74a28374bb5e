"""Flow files ▸ messages: JSON lines, gzip and zstd too, read in batches."""

import gzip
import io
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, BinaryIO, cast

import zstandard

from pipeline.flow import Message

BATCH_LINES = 20_000
STANDARD_INPUT = "-"
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def read_batches(names: Sequence[str]) -> Iterator[list[Message]]:
    """The lines of all files in order, one message each: `partition` is the file's place in `names`,
    `offset` the line, from 0. OSError where a file cannot be read."""
    for number, name in enumerate(names):
        first = 0
        with open_lines(name) as file:
            while lines := list(islice(file, BATCH_LINES)):
                now = int(time.time() * 1000)
                numbered = enumerate(lines, first)
                yield [Message(line, "file", number, at, now) for at, line in numbered if line.strip()]
                first += len(lines)


def open_lines(name: str) -> IO[bytes]:
    """A flow file, unpacked as its first bytes say; "-" is standard input."""
    file = sys.stdin.buffer if name == STANDARD_INPUT else Path(name).open("rb")  # noqa: SIM115 - the caller closes
    start = cast("io.BufferedReader", file).peek(len(ZSTD))
    if start.startswith(GZIP):
        return cast("IO[bytes]", gzip.open(cast("BinaryIO", file)))
    if start.startswith(ZSTD):
        reader = zstandard.ZstdDecompressor().stream_reader(cast("BinaryIO", file), read_across_frames=True)
        return io.BufferedReader(cast("io.RawIOBase", reader), 1 << 20)
    return cast("IO[bytes]", file)

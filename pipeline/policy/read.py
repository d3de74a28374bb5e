"""Files and texts ▸ the documents in them; of very many files, read by other processes at the same time."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

from pipeline.policy.yaml_lines import Flaw, Item, TextError, documents
from pipeline.processes import processes

MAX_BYTES = 64 * 2**20  # of one file: an object in Kubernetes has at most 1.5 MiB
USUAL_BYTES = 2**16
MANY = 2_000  # files: fewer are read before another process has started
AT_ONCE = 50  # files that a process reads between two answers
MOST_HELP = 3  # processes: more would wait for this one, which checks what they read


class Read(NamedTuple):
    """The documents of a text, up to what is no YAML in it."""

    documents: Sequence[Item]
    error: Flaw | None = None


def read_text(text: bytes) -> Read:
    """What is in a text."""
    if len(text) > MAX_BYTES:
        reason = f"is larger than {MAX_BYTES >> 20} MiB: not read, split it into smaller files"
        return Read((), Flaw(1, (), reason))
    found: list[Item] = []
    try:
        found.extend(documents(text))
    except TextError as error:
        return Read(found, Flaw(error.line, error.location, error.reason))
    return Read(found)


def read_files(files: Sequence[Path]) -> Iterator[Read]:
    """What is in each of the files. The processes import `__main__`, as all that are spawned do: a script
    that loads very many files needs its `if __name__ == "__main__"`."""
    helpers = min((os.cpu_count() or 1) - 1, MOST_HELP)
    if len(files) < MANY or not helpers:
        yield from map(_read_file, files)
        return
    done = 0
    try:
        with processes(helpers) as pool:
            for read in pool.map(_read_file, map(Path.absolute, files), chunksize=AT_ONCE):
                yield read
                done += 1
    except BrokenProcessPool:  # there was no memory for it, or somebody ended it
        yield from map(_read_file, files[done:])


def _read_file(file: Path) -> Read:
    try:
        return read_text(_content(file))
    except OSError as error:
        return Read((), Flaw(1, (), f"cannot be read: {error.strerror}"))


def _content(file: Path) -> bytes:
    """What is in the file, and no more than shows that it is too large. Raises OSError."""
    with file.open("rb") as opened:
        content = opened.read(USUAL_BYTES)  # memory for the largest is asked for only where there is more
        return content if len(content) < USUAL_BYTES else content + opened.read(MAX_BYTES + 1 - USUAL_BYTES)

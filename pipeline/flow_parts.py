"""Parts of flow files, which several processes read each for itself."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.flow import Message
from pipeline.flow_files import BLOCK, CHUNK, STANDARD_INPUT, blocks_of, chunks, is_packed, messages_of

type Block = Part | list[Message]


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of a file that begin in [start, stop), in bytes; `number` is the file's place."""

    name: str
    number: int
    start: int
    stop: int

    def read(self) -> tuple[list[Message], int]:
        """(its lines in messages of many, how many lines): `offset` counts from its own first line, from 0.
        Raises OSError."""
        messages, lines = list[Message](), 0
        with Path(self.name).open("rb", CHUNK) as file:
            at = file.seek(max(0, self.start - 1))
            if self.start:
                at += len(file.readline())  # it began in the part before
            for first, ends, value in chunks(file, self.stop - at):
                messages += messages_of(value, self.number, first, ends)
                lines = first + len(ends)
        return messages, lines


def read_parts(names: Sequence[str]) -> Iterator[Block]:
    """All lines of all files in order: parts of plain files, blocks of messages of what is packed, and of
    pipes. Raises OSError where a file cannot be read."""
    for number, name in enumerate(names):
        file = Path(name).resolve()  # /dev/stdin, say, is another one in another process
        if name == STANDARD_INPUT or not file.is_file() or is_packed(file):
            yield from blocks_of(name, number)
        else:
            size = file.stat().st_size
            yield from (Part(str(file), number, at, min(at + BLOCK, size)) for at in range(0, size, BLOCK))

"""Recorded flows under one revision and others: decode ▸ judge by all ▸ compare, in one process or more."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace

from pipeline.dead_letter import Reject
from pipeline.decode import decode
from pipeline.facts import Facts
from pipeline.flow_parts import Block, Part
from pipeline.judge import Judge
from pipeline.policy.policies import Policies
from pipeline.processes import processes
from pipeline.user_error import UserError
from pipeline.whatif.changes import Found
from pipeline.whatif.compare import Comparison, Judged


class JobsError(UserError):
    """One of several processes ended before its time."""


@dataclass(frozen=True, slots=True)
class World:
    """Policies, and what the cluster was while they are judged by."""

    policies: Policies
    facts: Facts


@dataclass(slots=True)
class Answer:
    """What was found in some flows, for each of the later worlds, and what could not be read of them;
    where they are a part of a file, that and its number of lines."""

    flows: int
    found: list[Found]
    rejects: list[Reject] = field(default_factory=list)
    part: Part | None = None
    lines: int = 0

    def count_from(self, line: int) -> None:
        """Tell places in the whole file, in which the part begins with that line: it counts from its own."""
        self.rejects = [_moved(each, line) for each in self.rejects]
        for sums in (sums for each in self.found for sums in each.changes.values()):
            sums.example = _further(sums.example, line)


class WhatIf:
    """Judges flows by the world before, and compares with each of those after."""

    def __init__(self, before: World, after: Sequence[World], max_cells: int) -> None:
        self._before = _judge(before, max_cells)
        self._comparisons = [Comparison(self._before, _judge(world, max_cells)) for world in after]

    def ask(self, block: Block) -> Answer:
        """What changes for the flows of some messages; nothing is raised for bad ones. Raises OSError where
        a part of a file cannot be read."""
        part = block if isinstance(block, Part) else None
        messages, lines = block.read() if isinstance(block, Part) else (block, 0)
        decoded = decode(messages)
        before = Judged.by(self._before, decoded.batch)
        found = [each.compare(decoded.batch, before) for each in self._comparisons]
        return Answer(len(decoded.batch), found, decoded.rejects, part, lines)


def answers(
    blocks: Iterable[Block], before: World, after: Sequence[World], max_cells: int, jobs: int
) -> Iterator[Answer]:
    """The answer to each block, in their order; of several jobs each is a process with tables of its own.

    Raises OSError where a file cannot be read, JobsError where a process ends.
    """
    lines = Counter[int]()  # of each file, in the parts before
    for answer in _answers(blocks, before, after, max_cells, jobs):
        if answer.part:
            answer.count_from(lines[answer.part.number])
            lines[answer.part.number] += answer.lines
        yield answer


def _moved(reject: Reject, lines: int) -> Reject:
    origin = reject.origin
    return replace(reject, origin=origin._replace(offset=origin.offset + lines))


def _further(document_id: str, lines: int) -> str:
    file, offset, row = document_id.rsplit("-", 2)
    return f"{file}-{int(offset) + lines}-{row}"


def _answers(
    blocks: Iterable[Block], before: World, after: Sequence[World], max_cells: int, jobs: int
) -> Iterator[Answer]:
    if jobs == 1:
        yield from map(WhatIf(before, after, max_cells).ask, blocks)
        return
    with processes(jobs, _start, before, after, max_cells) as pool:
        waiting: deque[Future[Answer]] = deque()
        try:
            for block in blocks:
                waiting.append(pool.submit(_ask, block))
                if len(waiting) > jobs:  # no more is read than is about to be judged
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool:
            raise JobsError("a process that judged flows has ended: is there memory for --jobs?") from None


def _judge(world: World, max_cells: int) -> Judge:
    return Judge(world.policies, world.facts, "", 0, max_cells)


_own: list[WhatIf] = []  # of this process, where it is one of several


def _start(before: World, after: Sequence[World], max_cells: int) -> None:
    _own.append(WhatIf(before, after, max_cells))


def _ask(block: Block) -> Answer:
    return _own[0].ask(block)

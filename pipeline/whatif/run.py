"""Recorded flows under one revision and others: decode ▸ judge by all ▸ compare, in one process or more."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context

from pipeline.dead_letter import Reject
from pipeline.decode import decode
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.judge import Judge
from pipeline.policy.policies import Policies
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
    """What was found in some flows, for each of the later worlds, and what could not be read of them."""

    flows: int
    found: list[Found]
    rejects: list[Reject] = field(default_factory=list)


class WhatIf:
    """Judges flows by the world before, and compares with each of those after."""

    def __init__(self, before: World, after: Sequence[World], max_cells: int) -> None:
        self._before = _judge(before, max_cells)
        self._comparisons = [Comparison(self._before, _judge(world, max_cells)) for world in after]

    def ask(self, messages: list[Message]) -> Answer:
        """What changes for the flows of some messages; nothing is raised for bad ones."""
        decoded = decode(messages)
        before = Judged.by(self._before, decoded.batch)
        found = [each.compare(decoded.batch, before) for each in self._comparisons]
        return Answer(len(decoded.batch), found, decoded.rejects)


def answers(
    batches: Iterable[list[Message]], before: World, after: Sequence[World], max_cells: int, jobs: int
) -> Iterator[Answer]:
    """The answer to each batch, in their order; of several jobs each is a process with tables of its own.

    Raises JobsError where one of those ends.
    """
    if jobs == 1:
        yield from map(WhatIf(before, after, max_cells).ask, batches)
        return
    # A process that shows progress has a thread for it: none that is forked from it is safe.
    spawn = get_context("spawn")
    with ProcessPoolExecutor(jobs, spawn, initializer=_start, initargs=(before, after, max_cells)) as pool:
        waiting: deque[Future[Answer]] = deque()
        try:
            for messages in batches:
                waiting.append(pool.submit(_ask, messages))
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


def _ask(messages: list[Message]) -> Answer:
    return _own[0].ask(messages)

"""Processes beside this one."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from typing import Any


@contextmanager
def processes(
    count: int, start: Callable[..., None] | None = None, *arguments: Any
) -> Iterator[ProcessPoolExecutor]:
    """So many, each begun by `start`. An interrupt is this one's alone: they would each tell a traceback.

    They are spawned, since who asks may have threads, of which none that is forked is safe.
    """
    with ProcessPoolExecutor(count, get_context("spawn"), initializer=start, initargs=arguments) as pool:
        resource_tracker.ensure_running()  # first: where it is started it unblocks interrupts
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited by what is spawned
        try:
            for _ in range(count):
                pool.submit(int)  # while none is idle each spawns one
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield pool

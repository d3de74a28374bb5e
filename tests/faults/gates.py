"""The gate before Elasticsearch, for tests that block."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Thread
from typing import Any

from tests.pipeline.gate import Refuse, gate

OPEN_SECONDS = 900


@contextmanager
def opened(elasticsearch: str, refuse: Refuse, **options: Any) -> Iterator[str]:
    """The URL of a gate that runs in a thread of its own."""
    ready: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def run() -> None:
        over = asyncio.Event()
        async with gate(elasticsearch, refuse, seconds=OPEN_SECONDS, **options) as url:
            ready.set_result((url, asyncio.get_running_loop(), over))
            await over.wait()

    thread = Thread(target=lambda: asyncio.run(run()))
    thread.start()
    url, loop, over = ready.result(20)
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()

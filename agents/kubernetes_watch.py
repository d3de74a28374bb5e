"""Watching one kind through everything that ends a watch."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from agents.kubernetes_errors import AbsentError, GoneError, KubernetesError
from agents.kubernetes_kinds import Served, ServedKinds

log = structlog.get_logger(__name__)

_FIRST_SECONDS, _MOST_SECONDS = 0.5, 30.0
_ABSENT_SECONDS = 30.0  # until an API that is not served is asked for again


async def watch_for_ever(
    kind: ServedKinds,
    watch: Callable[[Served], Awaitable[None]],
    absent: Callable[[], Awaitable[None]] | None = None,
) -> NoReturn:
    """Calls `watch` again and again, which lists and then watches until that ends by an error; `absent`,
    where the kind is not served."""
    wait, loop = _FIRST_SECONDS, asyncio.get_running_loop()
    while True:
        started = loop.time()
        try:
            for served in await kind.find():
                await watch(served)
            if absent:
                await absent()
            await asyncio.sleep(_ABSENT_SECONDS)
        except AbsentError:
            continue  # it was removed: find() says so
        except GoneError as error:
            log.info("a watch is behind what Kubernetes keeps: listed anew", reason=str(error))
        except KubernetesError as error:
            if loop.time() - started > _MOST_SECONDS:
                wait = _FIRST_SECONDS
            log.warning("a watch is lost: tried again", reason=str(error), seconds=wait)
            await asyncio.sleep(wait)
            wait = min(2 * wait, _MOST_SECONDS)

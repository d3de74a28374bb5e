"""Progress of what takes more than a moment, on standard error."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(stderr=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Shows `what` while it is under way, and how long it took; one plain line each where nobody watches."""
    start = time.monotonic()
    if not console.is_terminal:
        console.print(f"{what} …", highlight=False)
    with console.status(what):
        yield
    console.print(f"{what}: {time.monotonic() - start:.1f} s", highlight=False)

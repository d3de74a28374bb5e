"""Waiting on conditions: no test sleeps."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.05


def until[T](condition: Callable[[], T], seconds: float = 30) -> T:
    """What `condition` returns as soon as that is true; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not so within {seconds} s: {condition}"
        time.sleep(POLL_SECONDS)

"""How frozen dataclasses are pickled: as a call of their class, three times as fast as dataclasses do it."""

from typing import Any


def packed[T](value: T) -> tuple[type[T], tuple[Any, ...]]:
    """What `__reduce__` of such a class may return."""
    kind = type(value)
    return kind, tuple([getattr(value, name) for name in kind.__match_args__])  # type: ignore[attr-defined]

"""Fields under the names that edges are filtered by: a filter carried over leaves what it is about."""

from collections.abc import Iterable
from typing import Any

_KEYWORD = {"type": "keyword", "ignore_above": 8191}
_REPORTERS = {"egress": "src", "ingress": "dst"}  # who judges in a direction


def carried(**more: dict[str, Any]) -> dict[str, Any]:
    """Mapping of `reporter` and `verdict` for documents of a `tier` and a `policy`; `more` of a verdict."""
    tier, policy = ({"type": "alias", "path": path} for path in ("tier", "policy"))
    verdict = {
        "namespace": _KEYWORD,
        "enforced": {"properties": {"tier": tier, "policy": policy}},
        "staged_deny": policy,
        "staged_allow": policy,
        **more,
    }
    return {"reporter": _KEYWORD, "verdict": {"properties": verdict}}


def reporters_of(directions: Iterable[str]) -> list[str]:
    """Of what is judged in these directions."""
    return [_REPORTERS[direction] for direction in directions]

"""Which rule of one manifest is which of another: one that was changed is still that rule."""

from typing import Any

_MATCHED_APART = {"ports", "notPorts", "icmp", "notICMP", "metadata"}


def alike(one: Any, other: Any) -> bool:
    """Whether two rules are about the same peer and protocol, and about ports of which some are the same."""
    if not (isinstance(one, dict) and isinstance(other, dict) and _peer(one) == _peer(other)):
        return False
    same_ports = (_overlap(_ports(one, side), _ports(other, side)) for side in ("source", "destination"))
    return one.get("icmp") == other.get("icmp") and all(same_ports)


def _peer(rule: dict[str, Any]) -> dict[str, Any]:
    parts = {name: value for name, value in rule.items() if name not in _MATCHED_APART}
    peer = {name: _peer(value) if isinstance(value, dict) else value for name, value in parts.items()}
    return {name: value for name, value in peer.items() if value != {}}


def _ports(rule: dict[str, Any], side: str) -> list[Any]:
    """None are all of them."""
    entity = rule.get(side)
    ports = entity.get("ports") if isinstance(entity, dict) else None
    return ports if isinstance(ports, list) else []


def _overlap(some: list[Any], others: list[Any]) -> bool:
    return not (some and others) or any(_same(one, other) for one in some for other in others)


def _same(one: Any, other: Any) -> bool:
    """Whether two ports, ranges or names have something in common."""
    first, second = _range(one), _range(other)
    if first and second:
        return first[0] <= second[1] and second[0] <= first[1]
    return bool(one == other)


def _range(port: Any) -> tuple[int, int] | None:
    first, _, last = str(port).partition(":")
    numbers = first, last or first
    return (int(first), int(numbers[1])) if all(map(str.isdecimal, numbers)) else None

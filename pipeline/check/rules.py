"""What can be proved of two rules: that one matches all that the other does, or that nothing matches both."""

from functools import lru_cache
from ipaddress import collapse_addresses
from typing import Any, Literal

from pipeline.check.selectors import implies
from pipeline.match.addresses import ROOTS
from pipeline.match.rule import ICMP_PROTOCOLS
from pipeline.policy.policies import ANY_ENTITY, Direction, EntityMatch, Network, Rule

type Family = Literal[4, 6]
type Ranges = tuple[tuple[int, int], ...]
type Nets = tuple[Network, ...]

FAMILIES: tuple[Family, Family] = (4, 6)


def covers(wide: Rule, narrow: Rule, direction: Direction) -> bool:
    """Whether every flow that `narrow` matches is matched by `wide`, whatever the cluster is; False also
    where that is not proved. Both are rules of this direction (CALICO.md §3, §3.1, §4.3)."""
    if not _covers_protocol(wide, narrow):
        return False
    # A set's domains count in egress rules that allow, and in no other.
    by_domain = direction == "egress" and narrow.action == "allow" and wide.action != "allow"
    return (
        _covers_entity(wide.destination, narrow.destination)
        and _covers_entity(wide.source, narrow.source)
        and not (by_domain and wide.destination.selector)
        and all(_covers_family(wide, narrow, family) for family in FAMILIES if _may_be(narrow, family))
    )


def apart(one: Rule, other: Rule) -> bool:
    """Whether no flow matches both; False also where that is not proved."""
    if one.protocol is not None and other.protocol is not None and one.protocol != other.protocol:
        return True
    if not any(_may_be(one, family) and _may_be(other, family) for family in FAMILIES):
        return True
    return _entities_apart(one.source, other.source) or _entities_apart(one.destination, other.destination)


def _covers_protocol(wide: Rule, narrow: Rule) -> bool:
    excluded = wide.not_protocol
    return (
        wide.protocol in (None, narrow.protocol)
        and (excluded in (None, narrow.not_protocol) or narrow.protocol not in (None, excluded))
        and (wide.icmp is None or (narrow.icmp is not None and _icmp_within(narrow.icmp, wide.icmp)))
        and (wide.not_icmp is None or _avoids_icmp(narrow, wide.not_icmp))
    )


def _icmp_within(narrow: tuple[int | None, int | None], wide: tuple[int | None, int | None]) -> bool:
    return all(theirs in (None, ours) for ours, theirs in zip(narrow, wide, strict=True))


def _avoids_icmp(rule: Rule, excluded: tuple[int | None, int | None]) -> bool:
    other_protocol = rule.protocol is not None and rule.protocol not in ICMP_PROTOCOLS
    return other_protocol or (rule.not_icmp is not None and _icmp_within(excluded, rule.not_icmp))


def _may_be(rule: Rule, family: Family) -> bool:
    """Whether the rule can match a flow of this IP version: one whose nets are all of the other is none."""
    if rule.ip_version not in (None, family):
        return False
    parts = (rule.source, rule.destination)
    given = [nets for part in parts for nets in (part.nets, part.not_nets) if nets]
    return all(any(net.version == family for net in nets) for nets in given)


def _covers_family(wide: Rule, narrow: Rule, family: Family) -> bool:
    return (
        wide.ip_version in (None, family)
        and _covers_nets(wide.source, narrow.source, family)
        and _covers_nets(wide.destination, narrow.destination, family)
    )


def _covers_entity(wide: EntityMatch, narrow: EntityMatch) -> bool:
    """As far as the IP version does not matter."""
    return wide is ANY_ENTITY or (
        _covers_ports(wide, narrow)
        and _covers_selectors(wide, narrow)
        and wide.service in (None, narrow.service)
        and (not wide.domains or (bool(narrow.domains) and set(narrow.domains) <= set(wide.domains)))
    )


def _covers_selectors(wide: EntityMatch, narrow: EntityMatch) -> bool:
    positive, negative = wide.selector, wide.not_selector
    if positive and not (narrow.selector and implies(narrow.selector, positive)):
        return False
    return not negative or bool(narrow.not_selector and implies(negative, narrow.not_selector))


def _covers_nets(wide: EntityMatch, narrow: EntityMatch, family: Family) -> bool:
    within, outside = _of(narrow.nets, family), _of(narrow.not_nets, family)
    if wide.nets and not _inside(within or _of(ROOTS, family), _of(wide.nets, family)):
        return False
    if not wide.not_nets:
        return True
    excluded = _of(wide.not_nets, family)
    return bool(excluded) and all(
        _inside((net,), outside) or (bool(within) and _apart((net,), within)) for net in excluded
    )


def _covers_ports(wide: EntityMatch, narrow: EntityMatch) -> bool:
    if wide.ports or wide.named_ports:
        if not (narrow.ports or narrow.named_ports):
            return False
        if not _in_ranges(narrow.ports, wide.ports) or not set(narrow.named_ports) <= set(wide.named_ports):
            return False
    if not set(wide.not_named_ports) <= set(narrow.not_named_ports):
        return False
    # A name stands for ports of the endpoints that the rule's selector selects.
    if wide.not_named_ports and narrow.selector not in (None, wide.selector):
        return False
    only = narrow.ports if narrow.ports and not narrow.named_ports else None
    return all(
        _in_ranges((span,), narrow.not_ports) or (only is not None and not _meet((span,), only))
        for span in wide.not_ports
    )


def _entities_apart(one: EntityMatch, other: EntityMatch) -> bool:
    """By nets and ports only: an address may be held by several objects, one for each selector."""
    if one.nets and other.nets and all(_apart(_of(one.nets, f), _of(other.nets, f)) for f in FAMILIES):
        return True
    numbers = not (one.named_ports or other.named_ports)
    return bool(one.ports and other.ports) and numbers and not _meet(one.ports, other.ports)


def _in_ranges(narrow: Ranges, wide: Ranges) -> bool:
    return all(any(low <= first and last <= high for low, high in wide) for first, last in narrow)


def _meet(one: Ranges, other: Ranges) -> bool:
    return any(first <= high and low <= last for first, last in one for low, high in other)


@lru_cache(maxsize=1 << 14)
def _of(nets: Nets, family: Family) -> tuple[Any, ...]:
    """The networks of one IP version, as few as hold the same addresses."""
    return tuple(collapse_addresses(net for net in nets if net.version == family))


def _inside(narrow: tuple[Any, ...], wide: tuple[Any, ...]) -> bool:
    return all(any(net.subnet_of(other) for other in wide) for net in narrow)


def _apart(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return not any(net.overlaps(each) for net in one for each in other)

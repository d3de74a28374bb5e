"""From two revisions and their facts to the difference of what they permit."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pipeline.diff.compare import Compared, compare
from pipeline.diff.endpoints import Known, known_endpoints
from pipeline.diff.permissions import Permissions, enforced
from pipeline.diff.report import Difference, difference
from pipeline.diff.traffic import Traffic, traffic_of
from pipeline.facts import Facts
from pipeline.match.table import rules_of
from pipeline.policy.policies import Policies
from pipeline.services import Services


@dataclass(frozen=True, slots=True)
class Stand:
    """One side: how it is called, its policies, and what is known of the cluster while they are in force."""

    name: str
    policies: Policies
    facts: Facts


def compare_stands(
    base: Stand, head: Stand, max_cells: int, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> tuple[list[Known], list[Traffic], Compared]:
    """Who was compared, by which traffic, and what was found."""
    both, now = (base, head), time.time()
    policies = [enforced(stand.policies) for stand in both]
    slices = [
        piece
        for stand, own in zip(both, policies, strict=True)
        for piece in Services(stand.facts, own).slices(now, now)
    ]
    endpoints = known_endpoints([stand.facts for stand in both], policies, slices, now)
    found = [
        Permissions(own, stand.facts, endpoints, now, max_cells)
        for stand, own in zip(both, policies, strict=True)
    ]
    rules = [rule for own in policies for rule in rules_of(own.policies)]
    named = {port for each in found for port in each.named_ports()}
    traffic = traffic_of(rules, slices, sorted(named))
    return endpoints, traffic, compare(endpoints, found[0], found[1], traffic, progress)


def differ(
    base: Stand, head: Stand, max_cells: int, progress: Callable[[int, int], None] = lambda _done, _all: None
) -> Difference:
    """Every permission that one of the two gives and the other does not."""
    return difference(base.name, head.name, *compare_stands(base, head, max_cells, progress))

"""What the policies of a revision alone settle of its tables, whatever the facts are."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import batched, chain

from pipeline.match.labels import SelectorIndex, needed
from pipeline.match.table import Conditions, rules_of
from pipeline.policy.policies import Direction, EntityMatch, Policies, Rule
from pipeline.policy.selector import Selector

AT_ONCE = 250  # selectors that are looked at in one piece: some milliseconds


class Compiled:
    """A revision compiled: every piece is made when first asked for, or all of them in advance (`pieces`).

    Of a source only what rules and policies ask of sources matters, and likewise of destinations: what is
    kept of both stands in this order.
    """

    def __init__(self, policies: Policies) -> None:
        self.policies = policies
        self.conditions: dict[Direction, Conditions] = {
            direction: Conditions(policies, direction) for direction in ("ingress", "egress")
        }

    def pieces(self) -> Iterator[None]:
        """Make everything, and stop for a moment after each piece."""
        for conditions in self.conditions.values():
            for made in ("layout", "entities", "ports"):
                getattr(conditions, made)
                yield
        for some in batched(chain(*self._selectors), AT_ONCE):
            list(map(needed, some))
            yield
        for made in ("sources", "destinations"):
            getattr(self, made)
            yield

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(rules_of(self.policies.policies))

    @cached_property
    def matches(self) -> tuple[EntityMatch, ...]:
        """What they ask of either side."""
        return tuple(match for rule in self.rules for match in (rule.source, rule.destination))

    @cached_property
    def port_names(self) -> tuple[frozenset[str], frozenset[str]]:
        return (
            _port_names(rule.source for rule in self.rules),
            _port_names(rule.destination for rule in self.rules),
        )

    @cached_property
    def sources(self) -> SelectorIndex:
        return SelectorIndex(self._selectors[0])

    @cached_property
    def destinations(self) -> SelectorIndex:
        return SelectorIndex(self._selectors[1])

    @cached_property
    def _selectors(self) -> tuple[tuple[Selector, ...], tuple[Selector, ...]]:
        return (
            tuple(self._asked("egress", (rule.source for rule in self.rules))),
            tuple(self._asked("ingress", (rule.destination for rule in self.rules))),
        )

    def _asked(self, direction: Direction, matches: Iterable[EntityMatch]) -> Iterator[Selector]:
        for policy in self.policies.policies:
            if direction in policy.types:
                yield policy.selector
        for match in matches:
            yield from (s for s in (match.selector, match.not_selector) if s)


def _port_names(matches: Iterable[EntityMatch]) -> frozenset[str]:
    return frozenset(name for match in matches for name in (*match.named_ports, *match.not_named_ports))

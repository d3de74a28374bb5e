"""A revision without the policies that cannot matter to a flow: fewer of its unknown labels then do."""

from dataclasses import replace
from functools import lru_cache

from pipeline.identity import Side
from pipeline.policy.policies import Direction, Policies, Policy

type Kept = tuple[tuple[int, frozenset[Direction]], ...]  # place of a policy, directions that can matter


class Narrower:
    """Finds the policies that can select the judged ends of a flow, whoever they turn out to be."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self.selecting = lru_cache(maxsize=4096)(self._selecting)

    def kept(self, direction: Direction, source: Side, dest: Side) -> Kept:
        """What can matter to a flow judged in `direction`; at its destination too where it is judged at
        the source, since what is let out there must be let in (DESIGN.md §4, Who is who)."""
        directions: dict[int, set[Direction]] = {}
        judged: list[tuple[Direction, Side]] = [("ingress", dest)]
        if direction == "egress":
            judged.append(("egress", source))
        for judged_direction, side in judged:
            for place in self.selecting(judged_direction, side):
                directions.setdefault(place, set()).add(judged_direction)
        keys = {self._policies.policies[place].key for place in directions}
        for place, policy in enumerate(self._policies.policies):
            if policy.key.twin in keys:  # promoted, it takes away a policy that can matter
                directions.setdefault(place, set())
        return tuple((place, frozenset(kept)) for place, kept in sorted(directions.items()))

    def narrowed(self, kept: Kept) -> Policies:
        """The revision with what is kept of it."""
        policies = tuple(_only(self._policies.policies[place], directions) for place, directions in kept)
        return replace(self._policies, policies=policies)

    def _selecting(self, direction: Direction, side: Side) -> tuple[int, ...]:
        """The places of the policies that may select an end, whoever of its candidates it is."""
        identities = {candidate.identity for candidate in side.candidates if candidate.identity}
        labels = [(dict(identity.labels), identity.is_open) for identity in identities]
        return tuple(
            place
            for place, policy in enumerate(self._policies.policies)
            if direction in policy.types
            and any(policy.selector.decide(known, is_open) is not False for known, is_open in labels)
        )


def _only(policy: Policy, directions: frozenset[Direction]) -> Policy:
    return replace(
        policy,
        types=directions,
        ingress=policy.ingress if "ingress" in directions else (),
        egress=policy.egress if "egress" in directions else (),
    )

"""Revisions from one process to another: of each only what the other one does not have yet."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import batched

from pipeline.policy.policies import NetworkSet, Policies, Policy, PolicyKey, Tier

AT_ONCE = 50  # policies that are unpacked in one go: some milliseconds


@dataclass(frozen=True, slots=True)
class Difference:
    """A revision, where the one that was handed over before is known.

    `order` names the policies by numbers that a sender gives them, `changed` holds those that are new
    or different, as pickled lists of (number, policy).
    """

    revision: str
    tiers: tuple[Tier, ...]
    network_sets: tuple[NetworkSet, ...]
    order: Sequence[int]
    changed: tuple[bytes, ...]


class Sender:
    """Knows what it has handed over."""

    def __init__(self) -> None:
        self._numbers: dict[PolicyKey, int] = {}
        self._sent: dict[int, Policy] = {}

    def difference(self, policies: Policies) -> Difference:
        """What to hand over, and taken as handed over from now on."""
        numbered = {self._number(policy): policy for policy in policies.policies}
        changed = [item for item in numbered.items() if self._sent.get(item[0]) is not item[1]]
        self._sent = numbered
        chunks = tuple(pickle.dumps(list(some)) for some in batched(changed, AT_ONCE))
        return Difference(policies.revision, policies.tiers, policies.network_sets, list(numbered), chunks)

    def _number(self, policy: Policy) -> int:
        return self._numbers.setdefault(policy.key, len(self._numbers))


class Receiver:
    """Knows what it was handed; a new sender hands over everything."""

    def __init__(self) -> None:
        self._policies: dict[int, Policy] = {}

    def take(self, difference: Difference) -> Iterator[None]:
        """Unpack piece by piece; to be run to its end, and then `policies` is the revision."""
        for chunk in difference.changed:
            self._policies.update(pickle.loads(chunk))  # noqa: S301 - from our own child
            yield
        self._policies = {number: self._policies[number] for number in difference.order}
        self.policies = Policies(
            difference.revision,
            difference.tiers,
            tuple(self._policies.values()),
            difference.network_sets,
        )

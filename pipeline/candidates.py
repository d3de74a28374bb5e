"""Collects whom an endpoint may be, and what left that open."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from pipeline.addresses import network_of, ordered
from pipeline.identity import Candidate, Identity, Labels
from pipeline.policy.policies import Network


class Who(NamedTuple):
    """Everyone that an endpoint may be, and what left that open; "ip" stands for the side's own."""

    candidates: tuple[Candidate, ...]
    missing: tuple[str, ...]


class Found:
    """The identities found so far, each with the addresses that it may have; None = any."""

    def __init__(self, address: tuple[Network, ...]) -> None:
        self.address = address  # what the record tells, () = nothing
        self.identities: dict[Identity, set[Network] | None] = {}
        self.missing: set[str] = set()

    def add(self, identity: Identity, ips: Iterable[str] = (), lacks: Iterable[str] = ()) -> None:
        """One more that it may be, at any of `ips` (none = anywhere), and what that left open."""
        self.missing.update(lacks)
        addresses = self.address or {net for net in map(network_of, ips) if net}
        before = self.identities.setdefault(identity, set())
        if not addresses or before is None:
            self.identities[identity] = None
        else:
            before.update(addresses)

    def who(self, several: str) -> Who:
        """All of them; `several` names what is missing where there is more than one."""
        missing = self.missing | ({several} if len(self.identities) > 1 else set())
        candidates = [Candidate(identity, ordered(nets or ())) for identity, nets in self.identities.items()]
        return who_of(candidates, missing)


def who_of(candidates: Iterable[Candidate], missing: Iterable[str] = ()) -> Who:
    """In an order that depends on the candidates alone."""
    ranked = tuple(sorted(candidates, key=lambda candidate: repr(candidate.identity)))
    exact = all(len(c.addresses) == 1 and _is_one(c.addresses[0]) for c in ranked)
    return Who(ranked, tuple(sorted({*missing, *(() if exact else ("ip",))})))


def _is_one(net: Network) -> bool:
    return net.prefixlen == net.max_prefixlen


def sorted_labels(labels: Mapping[str, str]) -> Labels:
    return tuple(_label(*pair) for pair in sorted(labels.items()))


@lru_cache(maxsize=1 << 16)
def _label(key: str, value: str) -> tuple[str, str]:
    """One object for all that have the label: they are many."""
    return key, value

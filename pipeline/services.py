"""What stood behind the services that rules name: their endpoint slices through time."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.addresses import networks_of
from pipeline.facts import Facts, Version
from pipeline.identity import Slice
from pipeline.match.addresses import ROOTS
from pipeline.match.table import rules_of
from pipeline.policy.facts_resources import EndpointSlice
from pipeline.policy.policies import Network, Policies

type Service = tuple[str, str]  # namespace, name
type Ports = frozenset[tuple[int | None, int | None]]

ANY_PORT: Ports = frozenset({(None, None)})


@dataclass(slots=True)
class _Known:
    """All versions of a service's slices: between two of `times` nothing changes."""

    stamp: int
    versions: list[Version[EndpointSlice]]
    times: list[float]
    answers: dict[tuple[int, int], tuple[Slice, ...]] = field(default_factory=dict)


class Services:
    """The services that the rules of one revision name."""

    def __init__(self, facts: Facts, policies: Policies) -> None:
        self._facts = facts
        self._services = sorted(_named_by(policies))
        self._known: dict[Service, _Known] = {}

    def slices(self, start: float, end: float) -> tuple[Slice, ...]:
        """What stood behind them within some time (epoch seconds).

        Open is what did so for a part of the time only, and any address of a service of which no slice
        was ever known.
        """
        return tuple(piece for service in self._services for piece in self._slices(service, start, end))

    def _slices(self, service: Service, start: float, end: float) -> tuple[Slice, ...]:
        known = self._known_of(service)
        key = bisect_right(known.times, start), bisect_right(known.times, end)
        if key not in known.answers:
            moments = [start, *known.times[slice(*key)]]
            known.answers[key] = tuple(_pieces(service, known.versions, moments))
        return known.answers[key]

    def _known_of(self, service: Service) -> _Known:
        stamp = self._facts.stamp(service[0])
        known = self._known.get(service)
        if known is None or known.stamp != stamp:
            versions = self._facts.slices(service)
            times = sorted({time for version in versions for time in (version.since, version.until)})
            known = self._known[service] = _Known(stamp, versions, times)
        return known


def _pieces(
    service: Service, versions: list[Version[EndpointSlice]], moments: Iterable[float]
) -> Iterable[Slice]:
    if not versions:
        yield Slice(service, frozenset(ROOTS), ANY_PORT, is_open=True)
        return
    members = [_members(v.fact for v in versions if v.since <= moment < v.until) for moment in moments]
    for ports in dict.fromkeys(ports for at in members for ports in at):
        at_times = [at.get(ports, frozenset()) for at in members]
        always = frozenset.intersection(*at_times)
        at_times_only = frozenset.union(*at_times) - always
        if always:
            yield Slice(service, always, ports)
        if at_times_only:
            yield Slice(service, at_times_only, ports, is_open=True)


def _members(slices: Iterable[EndpointSlice]) -> dict[Ports, frozenset[Network]]:
    """The addresses behind each set of ports."""
    members: dict[Ports, frozenset[Network]] = {}
    for piece in slices:
        ports = frozenset(piece.ports)
        members[ports] = members.get(ports, frozenset()) | frozenset(networks_of(piece.addresses))
    return members


def _named_by(policies: Policies) -> set[Service]:
    rules = rules_of(policies.policies)
    return {side.service for rule in rules for side in (rule.source, rule.destination) if side.service}

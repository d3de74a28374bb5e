"""The entities that a side of a flow can be: every completion that a revision can tell from others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations, product

from pipeline.identity import Candidate, Identity, NamedPort, Side, Slice
from pipeline.match.addresses import AddressSpace, Chain
from pipeline.match.compiled import Compiled
from pipeline.match.domains import possible, satisfied
from pipeline.match.table import NOBODY, EntityFacts, Selectors, nets_of
from pipeline.match.verdict import TooMany
from pipeline.policy.policies import Network, NetworkSet


@dataclass(frozen=True, slots=True)
class Entity:
    """One side of a flow with nothing missing, as far as anything in the revision can tell it from
    others. `open_ports`: its own named ports are not known."""

    facts: EntityFacts
    ports: tuple[NamedPort, ...]
    profile: str | None  # the profile that allows; None = a workload without one
    workload: bool
    open_ports: bool = False


PLAIN = Entity(NOBODY, (), None, workload=False)


type Ways = tuple[Selectors, ...] | None


@dataclass(frozen=True, slots=True)
class _KnownSet:
    """A network set and the selectors that hold for it as source and as destination, in every way to
    complete its labels; None where these are more than the bound."""

    source: NetworkSet
    ways: tuple[Ways, Ways]


class Completer:
    """Completes the sides of flows (DESIGN.md §4, Unknown). `sets` stand beside the revision's network
    sets: the labels of each, with what it inherits. `bound`: completions of one side at most."""

    def __init__(
        self, compiled: Compiled, sets: Sequence[Identity], slices: Sequence[Slice], bound: int
    ) -> None:
        self._bound = bound
        self._indices = compiled.sources, compiled.destinations
        self.port_names = compiled.port_names
        known = [
            _KnownSet(s, (self._ways(labels, destination=False), self._ways(labels, destination=True)))
            for s, labels in zip(compiled.policies.network_sets, sets, strict=True)
        ]
        self._sets_by_domain = [s for s in known if s.source.domains]
        self._sets_by_net: dict[Network, list[_KnownSet]] = {}
        for one in known:
            for net in one.source.nets:
                self._sets_by_net.setdefault(net, []).append(one)
        self._slices_by_net: dict[Network, list[Slice]] = {}
        for piece in slices:
            for net in piece.nets:
                self._slices_by_net.setdefault(net, []).append(piece)
        self._addresses = AddressSpace(chain(nets_of(compiled.rules), self._sets_by_net, self._slices_by_net))
        set_domains = {domain for one in known for domain in one.source.domains}
        self._domains = tuple(sorted({d for match in compiled.matches for d in match.domains} | set_domains))

    def _ways(self, identity: Identity, *, destination: bool) -> Ways:
        try:
            return tuple(self._own_selectors(identity, destination=destination))
        except TooMany:
            return None

    def entities(self, side: Side, *, destination: bool) -> Iterator[Entity]:
        """Every entity that a source, or destination, can be; some may come twice. Raises TooMany above
        the bound."""
        names = self._domain_sets(side)
        for candidate in side.candidates:
            yield from self._of_candidate(candidate, names, destination=destination)

    def _of_candidate(
        self, candidate: Candidate, names: Iterable[frozenset[str]], *, destination: bool
    ) -> Iterator[Entity]:
        kinds = [k for k in self._addresses.classes_in(candidate.addresses) if self._allowed(candidate, k)]
        entity = self._without_facts(candidate.identity, destination=destination)
        every_own = self._own_selectors(candidate.identity, destination=destination)
        for own, kind, domains in product(every_own, kinds, names):
            for facts in self._facts(own, kind, domains, destination=destination):
                yield replace(entity, facts=facts)

    def _domain_sets(self, side: Side) -> Iterable[frozenset[str]]:
        if not self._domains:
            return (frozenset(),)
        if side.domains is not None:
            return (satisfied(self._domains, side.domains),)
        sets = possible(self._domains, self._bound)
        if sets is None:
            raise TooMany
        return sets

    def _allowed(self, candidate: Candidate, kind: int) -> bool:
        in_set = any(net in self._sets_by_net for net in self._addresses.chain(kind))
        return not (candidate.outside_sets and in_set)

    def _own_selectors(self, identity: Identity | None, *, destination: bool) -> Iterable[Selectors]:
        if identity is None:
            return ((),)
        index = self._indices[destination]
        return dict.fromkeys(index.holding(labels) for labels in index.completions(identity, self._bound))

    def _without_facts(self, identity: Identity | None, *, destination: bool) -> Entity:
        if identity is None or identity.kind == "ns":
            return PLAIN
        names = self.port_names[destination]
        ports = tuple(port for port in identity.ports if port.name in names)
        allowing = next((p for p in identity.profiles if p.startswith("kns.")), None)
        is_open = identity.open_ports and bool(names)
        return Entity(NOBODY, ports, allowing, identity.kind == "wep", is_open)

    def _facts(
        self, own: Selectors, kind: int, domains: frozenset[str], *, destination: bool
    ) -> Iterator[EntityFacts]:
        """What matches can see at one class of addresses, for every way to complete the sets' labels."""
        nets = self._addresses.chain(kind)
        around = list(dict.fromkeys(s for net in nets for s in self._sets_by_net.get(net, ())))
        named = [s for s in self._sets_by_domain if domains.intersection(s.source.domains)]
        version = self._addresses.version(kind)
        every_way = (_bounded(known.ways[destination]) for known in (*around, *named))
        for slices, ways in product(self._slices_around(nets), product(*every_way)):
            by_address = tuple(dict.fromkeys(chain(own, *ways[: len(around)]))) if around else own
            by_domain = tuple(dict.fromkeys(chain(*ways[len(around) :])))
            yield EntityFacts(by_address, own, by_domain, version, nets, slices, domains)

    def _slices_around(self, nets: Chain) -> Iterable[tuple[Slice, ...]]:
        """The slices that an address may be in, in every way."""
        around = dict.fromkeys(chain.from_iterable(self._slices_by_net.get(net, ()) for net in nets))
        known = tuple(piece for piece in around if not piece.is_open)
        return [known + more for more in subsets([p for p in around if p.is_open], self._bound)]


def subsets[T](items: Sequence[T], bound: int) -> list[tuple[T, ...]]:
    """Every choice of some of the items. Raises TooMany above the bound."""
    if 2 ** len(items) > bound:
        raise TooMany
    return [chosen for size in range(len(items) + 1) for chosen in combinations(items, size)]


def _bounded(ways: Ways) -> tuple[Selectors, ...]:
    if ways is None:
        raise TooMany
    return ways

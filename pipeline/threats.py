"""Threat marks: the network sets labelled as threat feeds that an endpoint's address is in, or that it is."""

from collections.abc import Iterable
from functools import lru_cache

from pipeline.addresses import network_of
from pipeline.flow import Endpoint
from pipeline.match.addresses import AddressSpace
from pipeline.policy.policies import Network, NetworkSet
from pipeline.policy.selector import Selector

REMEMBERED = 1 << 16  # addresses whose answers are kept


class Threats:
    """The threat feeds of one revision: its network sets whose own labels `selector` selects."""

    def __init__(self, sets: Iterable[NetworkSet], selector: Selector) -> None:
        feeds = [each for each in sets if selector.matches(dict(each.labels))]
        self._names = {(each.namespace, each.name): _name(each) for each in feeds}
        self._by_net: dict[Network, list[str]] = {}
        for each in feeds:
            for net in each.nets:
                self._by_net.setdefault(net, []).append(_name(each))
        self._space = AddressSpace(self._by_net)
        self._holding = lru_cache(maxsize=REMEMBERED)(self._all_holding)

    def of(self, endpoint: Endpoint) -> tuple[str, ...]:
        """The names of the feeds that hold an endpoint, ascending: name, or namespace/name."""
        if not self._names:
            return ()
        held = self._holding(endpoint.ip)
        if endpoint.type != "ns":
            return held
        named = self._names.get((endpoint.namespace, endpoint.name_aggr or endpoint.name))
        return tuple(sorted({*held, named})) if named else held

    def _all_holding(self, ip: str) -> tuple[str, ...]:
        net = network_of(ip)
        if net is None:
            return ()
        around = self._space.chain(self._space.class_of(net.network_address))
        return tuple(sorted({name for each in around for name in self._by_net[each]}))


def _name(feed: NetworkSet) -> str:
    return f"{feed.namespace}/{feed.name}" if feed.namespace else feed.name

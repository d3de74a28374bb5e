"""Elementary classes of addresses: which of all nets that anything names contain an address."""

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network

from pipeline.policy.policies import Address, Network

ROOTS: tuple[Network, Network] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
type Chain = tuple[Network, ...]


class AddressSpace:
    """The classes into which a set of nets cuts the addresses of both families.

    Nets nest or are disjoint, so a class is named by the innermost net that holds it, and the nets
    that contain it are that net and those around it.
    """

    def __init__(self, nets: Iterable[Network]) -> None:
        self._chains: list[Chain] = []
        self._versions: list[int] = []
        self._starts: dict[int, list[int]] = {}
        self._classes: dict[int, list[int]] = {}
        distinct = set(nets)
        for root in ROOTS:
            self._sweep(root, [net for net in distinct if net.version == root.version])
        self.classes_in = lru_cache(maxsize=65536)(self._classes_in)

    def _sweep(self, root: Network, nets: list[Network]) -> None:
        """Walk the nets by first address, innermost last, and note where the innermost changes."""
        starts: list[int] = []
        classes: list[int] = []
        stack: list[tuple[int, int]] = []  # (last address, class) of the nets around the point

        def mark(start: int, kind: int) -> None:
            if starts and starts[-1] == start:
                classes[-1] = kind
            else:
                starts.append(start)
                classes.append(kind)

        def leave() -> None:
            last, _ = stack.pop()
            if stack:
                mark(last + 1, stack[-1][1])

        held = root in nets
        for net in [root, *sorted((n for n in nets if n != root), key=_place)]:
            first = int(net.network_address)
            while stack and stack[-1][0] < first:
                leave()
            around = self._chains[stack[-1][1]] if stack else ()
            self._chains.append((net, *around) if net != root or held else ())
            self._versions.append(root.version)
            kind = len(self._chains) - 1
            mark(first, kind)
            stack.append((int(net.broadcast_address), kind))
        while len(stack) > 1:
            leave()
        if starts[-1] > int(root.broadcast_address):  # the last net ends where the addresses end
            starts.pop()
            classes.pop()
        self._starts[root.version], self._classes[root.version] = starts, classes

    def chain(self, kind: int) -> Chain:
        """The nets that contain the addresses of a class, the innermost first."""
        return self._chains[kind]

    def version(self, kind: int) -> int:
        """The family of a class: 4 or 6."""
        return self._versions[kind]

    def class_of(self, address: Address) -> int:
        starts = self._starts[address.version]
        return self._classes[address.version][bisect_right(starts, int(address)) - 1]

    def _classes_in(self, region: tuple[Network, ...]) -> tuple[int, ...]:
        """The classes that have an address in one of the nets; () = in any (both families)."""
        found: dict[int, None] = {}
        for net in region or ROOTS:
            starts = self._starts[net.version]
            low = bisect_right(starts, int(net.network_address)) - 1
            high = bisect_right(starts, int(net.broadcast_address))
            found.update(dict.fromkeys(self._classes[net.version][low:high]))
        return tuple(found)


def _place(net: Network) -> tuple[int, int]:
    return int(net.network_address), net.prefixlen

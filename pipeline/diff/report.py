"""The difference of two revisions in words that people and programs read."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import product

import msgspec

from pipeline.diff.compare import CHANGES, Change, Compared, Group
from pipeline.diff.endpoints import Known
from pipeline.diff.traffic import ICMP, ICMP6, WHOLE, Span, Traffic, merged
from pipeline.match.bits import Ints
from pipeline.who import PROTOCOL_WORDS

type Kinds = tuple[tuple[str, tuple[Span, ...], tuple[Span, ...]], ...]

SHOWN_PODS = 3


class TrafficSaid(msgspec.Struct, frozen=True):
    """`protocol`: tcp, udp, …, a number, `any`, or `other` for all that nothing names. `ports`,
    `source_ports`: 80, 8000-8080; of ICMP type/code; [] = any."""

    protocol: str
    ports: tuple[str, ...] = ()
    source_ports: tuple[str, ...] = ()

    def __str__(self) -> str:
        said = self.protocol + (f"/{','.join(self.ports)}" if self.ports else "")
        return said + (f" from ports {','.join(self.source_ports)}" if self.source_ports else "")


class Permission(msgspec.Struct, frozen=True):
    """What each of `sources` may do to each of `destinations`: `gained`, `lost`, or `unclear`, known of
    one revision only.

    They are workloads (`namespace/name`; with pods in brackets where its pods differ), `host NAME`, a net
    (those of its addresses that no narrower net here holds, and no pod has), or `domain NAME`.
    `families`: address families, 4 and 6.
    """

    change: Change
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    traffic: tuple[TrafficSaid, ...]
    families: tuple[int, ...]


class Difference(msgspec.Struct, frozen=True):
    """`gained`, `lost`, `unclear`: pairs of a source and a destination that something changes between.
    `unsure`: pairs of which something is known under neither revision, for lack of facts."""

    base: str
    head: str
    same: bool
    workloads: int
    gained: int
    lost: int
    unclear: int
    unsure: int
    permissions: tuple[Permission, ...]


def difference(
    base: str, head: str, endpoints: Sequence[Known], traffic: Sequence[Traffic], compared: Compared
) -> Difference:
    """All that was found, grouped and in a fixed order."""
    permissions = tuple(_permissions(endpoints, traffic, compared))
    pairs = Counter[Change]()
    for change in CHANGES:
        every = (product(p.sources, p.destinations) for p in permissions if p.change == change)
        pairs[change] = len({pair for some in every for pair in some})
    return Difference(
        base=base,
        head=head,
        same=not permissions,
        workloads=len({endpoint.group for endpoint in endpoints if endpoint.kind == "wep"}),
        gained=pairs["gained"],
        lost=pairs["lost"],
        unclear=pairs["unclear"],
        unsure=compared.unsure,
        permissions=permissions,
    )


def _permissions(
    endpoints: Sequence[Known], traffic: Sequence[Traffic], compared: Compared
) -> Iterator[Permission]:
    source_names, dest_names = (_names(endpoints, each) for each in (compared.sources, compared.dests))
    families: defaultdict[tuple[Change, tuple[str, ...], tuple[str, ...], Kinds], set[int]] = defaultdict(set)
    for group in compared.groups:
        sources, dests = _all(source_names, group.sources), _all(dest_names, group.dests)
        own = {group.version} if group.version else {4, 6}
        families[group.change, sources, dests, _kinds(group, traffic)] |= own
    for change in CHANGES:
        for key, versions in sorted(families.items(), key=lambda item: item[0][1:]):
            if key[0] == change:
                said = tuple(_said(*kind) for kind in key[3])
                yield Permission(change, key[1], key[2], said, tuple(sorted(versions)))


def _all(names: Sequence[Sequence[str]], classes: Iterable[int]) -> tuple[str, ...]:
    return tuple(sorted({name for one in classes for name in names[one]}))


def _names(endpoints: Sequence[Known], classes: Sequence[Ints]) -> list[list[str]]:
    """What each class of endpoints is called: by workload, and by pod where a workload's differ."""
    of_group = Counter((endpoint.group, endpoint.version) for endpoint in endpoints)
    names: list[list[str]] = []
    for one in classes:
        groups: dict[tuple[str, int], list[str]] = {}
        for place in one.tolist():
            endpoint = endpoints[place]
            groups.setdefault((endpoint.group, endpoint.version), []).append(endpoint.name)
        names.append(
            [
                key[0] if len(pods) == of_group[key] else f"{key[0]} ({_some(pods)})"
                for key, pods in groups.items()
            ]
        )
    return names


def _some(pods: Sequence[str]) -> str:
    more = len(pods) - SHOWN_PODS
    return ", ".join(sorted(pods)[:SHOWN_PODS]) + (f" and {more} more" if more > 0 else "")


def _kinds(group: Group, traffic: Sequence[Traffic]) -> Kinds:
    """The traffic of a group, ports merged; one `any` where it is all there is."""
    if len(group.traffic) == sum(each.is_of(group.version) for each in traffic):
        return (("any", (WHOLE,), (WHOLE,)),)
    protocols: dict[str, dict[Span, list[Span]]] = {}
    for each in (traffic[place] for place in group.traffic):
        name = "other" if each.is_rest else PROTOCOL_WORDS.get(each.protocol, str(each.protocol))
        protocols.setdefault(name, {}).setdefault(each.ports, []).append(each.source_ports)
    return tuple(kind for name, ports in protocols.items() for kind in _of_protocol(name, ports))


def _of_protocol(
    name: str, ports: dict[Span, list[Span]]
) -> Iterator[tuple[str, tuple[Span, ...], tuple[Span, ...]]]:
    by_source: dict[tuple[Span, ...], list[Span]] = {}
    for dest, sources in ports.items():
        by_source.setdefault(merged(sources), []).append(dest)
    for source_ports, dests in sorted(by_source.items()):
        yield name, merged(dests), source_ports


def _said(protocol: str, ports: Sequence[Span], source_ports: Sequence[Span]) -> TrafficSaid:
    is_icmp = protocol in (PROTOCOL_WORDS[ICMP], PROTOCOL_WORDS[ICMP6])
    said = _types(ports) if is_icmp else _ranges(ports)
    return TrafficSaid(protocol, said, _ranges(source_ports))


def _ranges(spans: Sequence[Span]) -> tuple[str, ...]:
    if tuple(spans) == (WHOLE,):
        return ()
    return tuple(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def _types(spans: Sequence[Span]) -> tuple[str, ...]:
    """Types of ICMP, with the code where it is not all codes."""
    if tuple(spans) == (WHOLE,):
        return ()
    return tuple(
        _ranges([(first >> 8, last >> 8)])[0]
        if not first & 255 and last & 255 == 255
        else "-".join(dict.fromkeys(f"{end >> 8}/{end & 255}" for end in (first, last)))
        for first, last in spans
    )

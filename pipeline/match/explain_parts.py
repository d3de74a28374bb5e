"""The parts of a rule in words: what each asks for, and what a flow has."""

from collections.abc import Iterable, Iterator, Sequence

from pipeline.match.rule import ICMP_PROTOCOLS, CompleteFlow, LabelledSet, Part, Party, as_mapping
from pipeline.policy.policies import EntityMatch, NetworkSet, Rule
from pipeline.policy.selector import Atom, Combined, Labels, Not, Selector
from pipeline.who import PROTOCOL_WORDS

type Sets = Sequence[tuple[NetworkSet, LabelledSet]]


def asked(rule: Rule) -> dict[Part, str]:
    """What a rule asks for, of the parts that it has."""
    said: dict[Part, str] = {
        "protocol": _listed(_but(_protocol(rule.protocol), _protocol(rule.not_protocol))),
        "ip version": f"IPv{rule.ip_version}" if rule.ip_version else "",
        "icmp": _listed(_but(_icmp(rule.icmp), _icmp(rule.not_icmp))),
    }
    for end, match in (("source", rule.source), ("destination", rule.destination)):
        for name, text in _asked_of(match).items():
            part: Part = f"{end} {name}"  # type: ignore[assignment]
            said[part] = text
    return {part: text for part, text in said.items() if text}


def had(rule: Rule, part: Part, flow: CompleteFlow, sets: Sets) -> str:
    """What the flow has of what a part asks for."""
    is_dest = part.startswith("destination")
    match, party = (rule.destination, flow.destination) if is_dest else (rule.source, flow.source)
    port = flow.dest_port if is_dest else flow.source_port
    match part.rpartition(" ")[2]:
        case "protocol":
            return PROTOCOL_WORDS.get(flow.protocol, str(flow.protocol))
        case "version":
            return f"IPv{party.address.version}"
        case "icmp":
            is_icmp = flow.protocol in ICMP_PROTOCOLS
            return f"type {flow.dest_port >> 8} code {flow.dest_port & 255}" if is_icmp else "no ICMP"
        case "selector":
            return _labels_had(match, party, sets)
        case "ports":
            return _port_had(party, flow.protocol, port)
        case "service":
            return f"{party.address} port {port}" if is_dest else str(party.address)
        case "domains":
            return _listed(party.domains) or "no name"
        case _:
            return str(party.address)


def labels_missed(selector: Selector, labels: Labels) -> Iterator[Atom]:
    """The comparisons for which a selector does not hold for these labels; none where it does."""
    if not selector.matches(labels):
        yield from _settling(selector, labels, holds=False)


def _settling(selector: Selector, labels: Labels, *, holds: bool) -> Iterator[Atom]:
    """The comparisons that make a selector hold, or not hold."""
    match selector:
        case Atom():
            yield selector
        case Not():
            yield from _settling(selector.operand, labels, holds=not holds)
        case Combined():
            for operand in selector.operands:
                if operand.matches(labels) is holds:
                    yield from _settling(operand, labels, holds=holds)


def said_labels(keys: Iterable[str], labels: Labels) -> str:
    """`app=web, no tier`."""
    return _listed(f"{key}={labels[key]}" if key in labels else f"no {key}" for key in sorted(set(keys)))


def _labels_had(match: EntityMatch, party: Party, sets: Sets) -> str:
    selector = match.selector or match.not_selector
    around = [
        f"{own.namespace}/{own.name}" if own.namespace else own.name
        for own, known in sets
        if any(party.address in net for net in known.nets)
    ]
    within = f"in network set {_listed(around)}" if around else ""
    if party.identity is None or selector is None:
        return f"{party.address}, " + (within or "no known endpoint, in no network set")
    labels = as_mapping(party.identity.labels)
    missed = {atom.key for atom in labels_missed(selector, labels)}
    return _listed([said_labels(missed or selector.keys(), labels) or "any labels", *filter(None, [within])])


def _port_had(party: Party, protocol: int, port: int) -> str:
    own = party.identity.ports if party.identity else ()
    names = [named.name for named in own if (named.protocol, named.port) == (protocol, port)]
    return f"{port} ({_listed(names)})" if names else str(port)


def _asked_of(match: EntityMatch) -> dict[str, str]:
    selectors = _but(_one(match.selector), _one(match.not_selector))
    ports = (*map(_range, match.ports), *match.named_ports)
    not_ports = (*map(_range, match.not_ports), *match.not_named_ports)
    return {
        "selector": _listed(selectors),
        "nets": _listed(_but(match.nets, match.not_nets)),
        "domains": _listed(match.domains),
        "ports": _listed(_but(ports, not_ports)),
        "service": "/".join(match.service or ()),
    }


def _but(wanted: Iterable[object], excluded: Iterable[object]) -> list[str]:
    return [*map(str, wanted), *(f"not {each}" for each in excluded)]


def _one(value: object) -> tuple[object, ...]:
    return () if value is None else (value,)


def _protocol(number: int | None) -> tuple[str, ...]:
    return () if number is None else (PROTOCOL_WORDS.get(number, str(number)),)


def _icmp(icmp: tuple[int | None, int | None] | None) -> tuple[str, ...]:
    if icmp is None:
        return ()
    kind, code = icmp
    return (f"type {kind}" + ("" if code is None else f" code {code}"),)


def _range(ports: tuple[int, int]) -> str:
    first, last = ports
    return str(first) if first == last else f"{first}-{last}"


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))

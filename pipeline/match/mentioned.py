"""All that rules, sets and slices ask of flows: what else there is, they cannot tell apart."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from pipeline.identity import Slice
from pipeline.match.rule import LabelledSet
from pipeline.policy.policies import Network, Policies
from pipeline.policy.selector import Selector


@dataclass(frozen=True, slots=True)
class Mentioned:
    """Each thing once; `nets` includes `set_nets` and those of slices, `ports` their ports."""

    selectors: tuple[Selector, ...]
    nets: tuple[Network, ...]
    set_nets: tuple[Network, ...]
    domains: tuple[str, ...]
    protocols: tuple[int, ...]
    ports: tuple[tuple[int, int], ...]
    port_names: tuple[str, ...]
    icmp: tuple[tuple[int | None, int | None], ...]
    open_slices: tuple[Slice, ...]


def mentioned_by(policies: Policies, sets: Sequence[LabelledSet], slices: Sequence[Slice]) -> Mentioned:
    """What anything in them asks for, on whichever side and in whichever direction."""
    rules = [rule for policy in policies.policies for rule in (*policy.ingress, *policy.egress)]
    entities = [entity for rule in rules for entity in (rule.source, rule.destination)]
    selectors = [s for entity in entities for s in (entity.selector, entity.not_selector)]
    set_nets = [net for known in sets for net in known.nets]
    nets = [net for entity in entities for net in (*entity.nets, *entity.not_nets)]
    slice_nets = [net for known in slices for net in known.nets]
    services = {entity.service for entity in entities}
    domains = [domain for entity in entities for domain in entity.domains]
    set_domains = [domain for known in sets for domain in known.domains]
    protocols = [protocol for rule in rules for protocol in (rule.protocol, rule.not_protocol)]
    slice_protocols = [protocol for known in slices for protocol, _ in known.ports]
    ports = [span for entity in entities for span in (*entity.ports, *entity.not_ports)]
    slice_ports = [(port, port) for known in slices for _, port in known.ports if port is not None]
    names = [name for entity in entities for name in (*entity.named_ports, *entity.not_named_ports)]
    return Mentioned(
        selectors=_each([*(policy.selector for policy in policies.policies), *selectors]),
        nets=_each([*set_nets, *nets, *slice_nets]),
        set_nets=_each(set_nets),
        domains=_each([*domains, *set_domains]),
        protocols=_each([*protocols, *slice_protocols]),
        ports=_each([*ports, *slice_ports]),
        port_names=_each(names),
        icmp=_each([wanted for rule in rules for wanted in (rule.icmp, rule.not_icmp)]),
        open_slices=_each([known for known in slices if known.is_open and known.service in services]),
    )


def _each[T: Hashable](items: Iterable[T | None]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(item for item in items if item is not None))

"""Rules of policies in words, one line each."""

from collections.abc import Iterable, Iterator

from pipeline.policy.policies import Direction, EntityMatch, Policy, Rule
from pipeline.who import PROTOCOL_WORDS

DIRECTIONS: tuple[Direction, ...] = ("ingress", "egress")


def rules_say(policy: Policy) -> Iterator[str]:
    """The rules of a policy, with the numbers that traces have for them."""
    for direction in DIRECTIONS:
        for number, rule in enumerate(policy.rules(direction)):
            yield f"{direction} {number}: {rule_says(rule)}"


def rule_says(rule: Rule) -> str:
    """`allow tcp from app == "web" to ports 80, 8000-8080`; what a rule leaves open is left out."""
    said = [
        rule.action,
        *([_protocol(rule.protocol)] if rule.protocol is not None else []),
        *([f"not {_protocol(rule.not_protocol)}"] if rule.not_protocol is not None else []),
        *([f"IPv{rule.ip_version}"] if rule.ip_version else []),
        *([f"type {_icmp(rule.icmp)}"] if rule.icmp else []),
        *([f"not type {_icmp(rule.not_icmp)}"] if rule.not_icmp else []),
    ]
    for word, entity in (("from", rule.source), ("to", rule.destination)):
        if entity_said := ", ".join(_says(entity)):
            said += [word, entity_said]
    return " ".join(said)


def _says(entity: EntityMatch) -> Iterator[str]:
    if entity.selector is not None:
        yield str(entity.selector)
    if entity.not_selector is not None:
        yield f"not {entity.not_selector}"
    if entity.service:
        yield "service " + "/".join(entity.service)
    for word, values in (
        ("", entity.nets),
        ("not ", entity.not_nets),
        ("domains ", entity.domains),
        ("ports ", (*map(_range, entity.ports), *entity.named_ports)),
        ("not ports ", (*map(_range, entity.not_ports), *entity.not_named_ports)),
    ):
        if values:
            yield word + _listed(values)


def _listed(values: Iterable[object]) -> str:
    return ", ".join(map(str, values))


def _range(ports: tuple[int, int]) -> str:
    first, last = ports
    return str(first) if first == last else f"{first}-{last}"


def _protocol(number: int) -> str:
    return PROTOCOL_WORDS.get(number, str(number))


def _icmp(icmp: tuple[int | None, int | None]) -> str:
    return "/".join("any" if part is None else str(part) for part in icmp)

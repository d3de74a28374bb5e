"""Rules that differ from others in one part or two, so that one often matches all that the other does."""

from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from pipeline.policy.policies import Action, Direction, EntityMatch, Rule
from tests.pipeline.match.strategies import (
    ICMP,
    NETS,
    PATTERNS,
    PORT_NAMES,
    RANGES,
    SELECTORS,
    SERVICES,
    TCP,
    UDP,
    rules,
    some,
)

RULE_PARTS: dict[str, st.SearchStrategy[Any]] = {
    "action": st.sampled_from(("allow", "deny", "pass")),
    "protocol": st.sampled_from((None, TCP, UDP, ICMP)),
    "not_protocol": st.sampled_from((None, TCP, UDP)),
    "ip_version": st.sampled_from((None, 4, 6)),
    "icmp": st.sampled_from((None, (8, None), (8, 0))),
    "not_icmp": st.sampled_from((None, (8, None), (8, 0))),
}
ENTITY_PARTS: dict[str, st.SearchStrategy[Any]] = {
    "selector": st.none() | st.sampled_from(SELECTORS),
    "not_selector": st.none() | st.sampled_from(SELECTORS),
    "nets": some(NETS),
    "not_nets": some(NETS),
    "ports": some(RANGES),
    "named_ports": some(PORT_NAMES),
    "not_ports": some(RANGES, 1),
    "not_named_ports": some(PORT_NAMES, 1),
    "service": st.none() | st.sampled_from(SERVICES),
    "domains": some(PATTERNS),
}


@st.composite
def variants(draw: st.DrawFn, rule: Rule, direction: Direction) -> Rule:
    """The rule with another value in one part or two."""
    for _ in range(draw(st.integers(1, 2))):
        side = draw(st.sampled_from(("source", "destination", "rule")))
        if side == "rule":
            part = draw(st.sampled_from(sorted(RULE_PARTS)))
            rule = replace(rule, **{part: draw(RULE_PARTS[part])})
        else:
            part = draw(st.sampled_from(sorted(ENTITY_PARTS)))
            entity: EntityMatch = replace(getattr(rule, side), **{part: draw(ENTITY_PARTS[part])})
            rule = replace(rule, source=entity) if side == "source" else replace(rule, destination=entity)
    return rule


@st.composite
def pairs(draw: st.DrawFn, direction: Direction) -> tuple[Rule, Rule]:
    """A rule and a variant of it, in either order."""
    plain: Action = draw(st.sampled_from(("allow", "deny")))
    simple = st.builds(Rule, st.just(plain))
    one = draw(rules(direction) | simple)
    other = draw(variants(one, direction))
    return draw(st.sampled_from(((one, other), (other, one))))

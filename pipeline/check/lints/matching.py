"""Selectors that select nothing that is known, or host endpoints beside what was meant."""

from collections.abc import Iterator
from functools import lru_cache

from pipeline.check.selectors import satisfies_without
from pipeline.check.subject import CONVERTED, Subject
from pipeline.check.unreachable import DIRECTIONS
from pipeline.policy.convert import NAMESPACE, SERVICE_ACCOUNT
from pipeline.policy.policies import EntityMatch, Policy
from pipeline.policy.problems import Location, Problem
from pipeline.policy.selector import ALL, GLOBAL, Selector, parse

SIDES = ("source", "destination")
OF_NAMESPACES = ("pcns.", "pcsa.", NAMESPACE, SERVICE_ACCOUNT)  # labels that no host endpoint has
HOSTS = (
    "is true of what is in no namespace, too: it also selects host endpoints{} (exclude them: has({}) && …)"
)


def unmatched(subject: Subject) -> Iterator[Problem]:
    """Selectors of policies that no known endpoint satisfies, of rules that no known peer does."""
    known = subject.known
    if known is None:
        return
    for policy in subject.policies.policies:
        if policy.staged_action == "Delete":
            continue
        if not known.endpoints.any(policy.selector):
            reason = f"{policy.selector} selects none of the pods and host endpoints that are known"
            yield subject.problem(policy, _selecting(subject, policy), reason)
            continue
        for place, selector in _peers(subject, policy):
            if not known.peers.any(selector):
                reason = f"{selector} selects none of the endpoints and network sets that are known"
                yield subject.problem(policy, place, reason)


def _selecting(subject: Subject, policy: Policy) -> Location:
    spec = subject.document(policy.key)["spec"]
    names = ("selector", "podSelector", "subject", "namespaceSelector", "serviceAccountSelector")
    return next((("spec", name) for name in names if spec.get(name)), ("spec",))


def _peers(subject: Subject, policy: Policy) -> Iterator[tuple[Location, Selector]]:
    """The selectors of the rules, each once in its rule."""
    for direction in DIRECTIONS:
        items = subject.items(policy, direction)
        told: set[tuple[int, Selector]] = set()
        for item, rule in zip(items, policy.rules(direction), strict=True):
            for side in SIDES:
                match: EntityMatch = getattr(rule, side)
                if match.selector and (item, match.selector) not in told:
                    told.add((item, match.selector))
                    place = (side,) if policy.key.kind not in CONVERTED else ()
                    yield ("spec", direction, item, *place), match.selector


def hosts(subject: Subject) -> Iterator[Problem]:
    """Namespace selectors that are true without any labels (CALICO.md §2.5)."""
    for policy in subject.policies.policies:
        if policy.key.kind in CONVERTED:
            continue
        spec = subject.document(policy.key)["spec"]
        if _selects_hosts(spec.get("namespaceSelector"), policy.selector):
            yield subject.problem(policy, ("spec", "namespaceSelector"), HOSTS.format("", NAMESPACE))
        for direction in DIRECTIONS:
            written = spec.get(direction) or ()
            for index, (rule, plain) in enumerate(zip(written, policy.rules(direction), strict=True)):
                for side in SIDES:
                    match: EntityMatch = getattr(plain, side)
                    text = (rule.get(side) or {}).get("namespaceSelector")
                    if match.selector and _selects_hosts(text, match.selector):
                        place = ("spec", direction, index, side, "namespaceSelector")
                        yield subject.problem(
                            policy, place, HOSTS.format(" and GlobalNetworkSets", NAMESPACE)
                        )


@lru_cache(maxsize=1 << 14)
def _selects_hosts(text: str | None, whole: Selector) -> bool:
    if not text:
        return False
    namespaces = parse(text)
    of_nothing = namespaces not in (ALL, GLOBAL) and namespaces.matches({})
    return of_nothing and satisfies_without(whole, OF_NAMESPACES) is not False

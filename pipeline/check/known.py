"""The endpoints and network sets that are known, and whether a selector selects any of them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf

from pipeline.check.selectors import conjuncts
from pipeline.evidence import Evidence
from pipeline.facts import Facts
from pipeline.inherited import INHERITED, inherited
from pipeline.pods import own_labels
from pipeline.policy.policies import NetworkSet
from pipeline.policy.selector import Atom, Labels, Selector


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that has labels; those with a prefix in `open` may be there although they are not listed."""

    labels: Labels
    open: tuple[str, ...] = ()

    def may_be(self, selector: Selector) -> bool:
        """Whether the selector may select it."""
        return selector.decide(self.labels, lambda key: key.startswith(self.open)) is not False


class Things:
    """Distinct things, found by their own labels."""

    def __init__(self, things: Iterable[Thing]) -> None:
        distinct = {(tuple(sorted(thing.labels.items())), thing.open): thing for thing in things}
        self._all = list(distinct.values())
        self._by_label: dict[tuple[str, str], list[Thing]] = {}
        for thing in self._all:
            for label in thing.labels.items():
                self._by_label.setdefault(label, []).append(thing)

    def any(self, selector: Selector) -> bool:
        """Whether the selector may select one of them."""
        return any(thing.may_be(selector) for thing in self._near(selector))

    def _near(self, selector: Selector) -> list[Thing]:
        """The fewest that it can select, by a label that it asks for and that nothing leaves open."""
        needed = [
            (part.key, part.values[0])
            for part in conjuncts(selector)
            if isinstance(part, Atom) and part.op == "==" and not part.key.startswith(INHERITED)
        ]
        return min((self._by_label.get(label, []) for label in needed), key=len, default=self._all)


@dataclass(frozen=True, slots=True)
class Known:
    """What a policy can select, and what the peer of a rule can be beside an address."""

    endpoints: Things
    peers: Things


def known_of(facts: Sequence[Facts], sets: Sequence[NetworkSet]) -> Known | None:
    """What facts of one or several origins and network sets tell; None where they tell of no pod."""
    pods = [pod for each in facts for pod in _pods(each)]
    if not pods:
        return None
    endpoints = [*pods, *(Thing(host.labels) for each in facts for host in each.hosts())]
    return Known(
        Things(endpoints), Things([*endpoints, *(one for each in facts for one in _sets(each, sets))])
    )


def _pods(facts: Facts) -> Iterator[Thing]:
    for pod in (version.fact for version in facts.pods() if version.until == inf):
        yield from _with_inherited(facts, pod.namespace, own_labels(pod), pod.service_account)


def _sets(facts: Facts, sets: Iterable[NetworkSet]) -> Iterator[Thing]:
    for each in sets:
        if each.namespace:
            yield from _with_inherited(facts, each.namespace, dict(each.labels), "")
        else:
            yield Thing(dict(each.labels))


def _with_inherited(facts: Facts, namespace: str, own: Labels, account: str) -> Iterator[Thing]:
    """The thing in each way in which its namespace and service account may be."""
    evidence = Evidence(
        namespaces=facts.namespaces.alive(namespace),
        service_accounts={account: facts.service_accounts.alive((namespace, account))},
    )
    for option in inherited(namespace, account, evidence, -inf, inf):
        yield Thing({**option.labels, **own}, option.open)

"""Which workloads there are, and the smallest set of labels that tells each from all others."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from pipeline.addresses import networks_of
from pipeline.facts import Facts
from pipeline.policy.policies import Network
from pipeline.recommend.labels import SERVICE_ACCOUNT, rank, stable_labels
from pipeline.recommend.learned import Learned
from pipeline.workload import workload_of

MOST_LABELS = 3  # of one selector: more says nothing to a person

type Pair = tuple[str, str]


@dataclass(slots=True)
class Workload:
    """A workload of one namespace: labels that all its pods have, and those that any of them had."""

    namespace: str
    name: str
    stable: dict[str, str] | None = None  # None = no pod was met yet
    ever: set[Pair] = field(default_factory=set)
    addresses: set[Network] = field(default_factory=set)

    def meet(self, labels: Mapping[str, str]) -> None:
        """Take in the labels of one more pod."""
        pairs = labels.items()
        self.stable = dict(pairs if self.stable is None else self.stable.items() & pairs)
        self.ever.update(pairs)


@dataclass(frozen=True, slots=True)
class Selected:
    """Labels to select a workload by; `also` are other workloads of the namespace that have them too."""

    pairs: tuple[Pair, ...]
    also: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A Calico selector."""
        return " && ".join(f"{key} == {_quoted(value)}" for key, value in self.pairs)


class Namespace:
    """The workloads of a namespace by name."""

    def __init__(self, workloads: Iterable[Workload]) -> None:
        self.workloads = {each.name: each for each in workloads}
        self._with: dict[Pair, set[str]] = defaultdict(set)
        for each in self.workloads.values():
            for pair in each.ever:
                self._with[pair].add(each.name)
        self._selected: dict[str, Selected | None] = {}

    def selected(self, name: str) -> Selected | None:
        """How to select a workload; None where it has no label that one could select it by."""
        if name not in self._selected:
            self._selected[name] = self._select(name)
        return self._selected[name]

    def stable(self, name: str) -> set[Pair]:
        """The labels that all pods of a workload have."""
        workload = self.workloads.get(name)
        return set(((workload and workload.stable) or {}).items())

    def _select(self, name: str) -> Selected | None:
        pairs = sorted(self.stable(name), key=lambda pair: rank(pair[0]))
        best: tuple[int, int, tuple[Pair, ...], set[str]] | None = None
        for size in range(1, min(MOST_LABELS, len(pairs)) + 1):
            for place, chosen in enumerate(combinations(pairs, size)):
                others = set.intersection(*(self._with[pair] for pair in chosen)) - {name}
                if not others:
                    return Selected(tuple(sorted(chosen)))
                if best is None or len(others) < len(best[3]):
                    best = size, place, chosen, others
        return Selected(tuple(sorted(best[2])), tuple(sorted(best[3]))) if best else None


class Inventory:
    """The workloads of all namespaces, by the facts and by what was learned of one of them."""

    def __init__(self, facts: Facts) -> None:
        self._of_facts = _by_namespace(_of_facts(facts))
        self.nodes = facts.nodes()

    def namespaces(self, learned: Learned) -> dict[str, Namespace]:
        """With what the edges of one namespace say of its own and of its peers' workloads."""
        found = {
            namespace: {each.name: each for each in workloads}
            for namespace, workloads in self._of_facts.items()
        }
        told: dict[str, dict[str, Workload]] = {}
        for who, described in learned.workloads.items():
            if who.type == "wep":
                known = found.get(who.namespace, {}).get(who.name)
                own = told.setdefault(who.namespace, {})
                own[who.name] = _copy(known, who.namespace, who.name)
                if described.labels is not None:
                    own[who.name].meet(described.labels)
        return {
            namespace: Namespace((found.get(namespace, {}) | told.get(namespace, {})).values())
            for namespace in sorted(found.keys() | told.keys())
        }


def _of_facts(facts: Facts) -> Iterator[Workload]:
    known: dict[tuple[str, str], Workload] = {}
    named: dict[tuple[str, tuple[Pair, ...]], str] = {}
    for version in facts.pods():
        pod = version.fact
        raw = pod.generate_name or pod.name
        key = raw, tuple(pod.labels.items())
        if key not in named:
            named[key] = workload_of(raw, (f"{k}={v}" for k, v in pod.labels.items()))
        place = pod.namespace, named[key]
        workload = known.setdefault(place, Workload(*place))
        account = {SERVICE_ACCOUNT: pod.service_account} if pod.service_account else {}
        workload.meet(stable_labels(pod.labels) | account)
        workload.addresses.update(networks_of(pod.ips))
    yield from known.values()


def _by_namespace(workloads: Iterable[Workload]) -> dict[str, list[Workload]]:
    found: dict[str, list[Workload]] = defaultdict(list)
    for workload in workloads:
        found[workload.namespace].append(workload)
    return found


def _copy(known: Workload | None, namespace: str, name: str) -> Workload:
    if known is None:
        return Workload(namespace, name)
    stable = None if known.stable is None else dict(known.stable)
    return Workload(namespace, name, stable, set(known.ever), known.addresses)


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"

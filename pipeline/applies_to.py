"""Which workloads a policy selects, by the pods that the facts know."""

from collections import defaultdict
from collections.abc import Iterable

from pipeline.evidence import Evidence
from pipeline.facts import Facts
from pipeline.inherited import inherited
from pipeline.pods import own_labels
from pipeline.policy.facts_resources import Pod
from pipeline.policy.policies import Policy
from pipeline.workload import workload_of

type Labels = dict[str, str]


class AppliesTo:
    """The workloads that live at a time, by the labels that their pods have and inherit."""

    def __init__(self, facts: Facts, now: float) -> None:
        self._facts = facts
        self._now = now
        self._alike: dict[str, dict[tuple[object, ...], tuple[str, list[Labels]]]] = defaultdict(dict)
        for version in facts.pods():
            if version.since <= now < version.until:
                self._add(version.fact)

    def workloads(self, policy: Policy) -> list[str]:
        """Those that a policy selects, as `<namespace>/<workload>`."""
        if not policy.workloads or policy.staged_action == "Delete":  # whose selector means nothing
            return []
        namespace = policy.key.namespace
        places: Iterable[str] = (namespace,) if namespace else self._alike
        return sorted({
            f"{place}/{workload}"
            for place in places
            for workload, ways in self._alike.get(place, {}).values()
            if any(policy.selector.matches(labels) for labels in ways)
        })  # fmt: skip

    def _add(self, pod: Pod) -> None:
        """Pods that no selector can tell apart are looked at once."""
        raw = pod.generate_name or pod.name
        key = raw, pod.service_account, tuple(pod.labels.items())
        alike = self._alike[pod.namespace]
        if key not in alike:
            workload = workload_of(raw, (f"{label}={value}" for label, value in pod.labels.items()))
            alike[key] = workload, self._ways(pod)

    def _ways(self, pod: Pod) -> list[Labels]:
        """The labels of a pod, in each way that its namespace and account may have been."""
        facts, now = self._facts, self._now
        evidence = Evidence(
            namespaces=facts.namespaces.alive(pod.namespace, now, now),
            service_accounts={
                pod.service_account: facts.service_accounts.alive(
                    (pod.namespace, pod.service_account), now, now
                )
            },
        )
        options = inherited(pod.namespace, pod.service_account, evidence, now, now)
        return [option.labels | own_labels(pod) for option in options]

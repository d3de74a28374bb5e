"""Labels that a selector may name, and in which order people would choose them."""

import re
from collections.abc import Mapping
from functools import lru_cache

# Set by controllers, and different from pod to pod, from rollout to rollout or from run to run.
PER_POD = frozenset(
    (
        "pod-template-hash",
        "controller-revision-hash",
        "pod-template-generation",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-name",
        "batch.kubernetes.io/job-completion-index",
        "controller-uid",
        "job-name",
        "job-completion-index",
        "app.kubernetes.io/version",
        "app.kubernetes.io/managed-by",
        "helm.sh/chart",
        "chart",
        "heritage",
        "version",
        "rollouts-pod-template-hash",
        "serving.knative.dev/revision",
        "serving.knative.dev/revisionUID",
    )
)
PER_PLACE = ("topology.kubernetes.io/", "failure-domain.beta.kubernetes.io/", "kubernetes.io/")
# What people name their workloads by, the most usual first.
_USUAL = (
    "app.kubernetes.io/name",
    "app",
    "k8s-app",
    "app.kubernetes.io/component",
    "component",
    "name",
    "app.kubernetes.io/instance",
    "role",
    "tier",
)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(?<!.{231})")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY = re.compile(r"([a-z0-9][-a-z0-9.]*/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
SERVICE_ACCOUNT = "projectcalico.org/serviceaccount"


def stable_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Those that do not change from pod to pod or from release to release by what they are."""
    return {
        key: value
        for key, value in sorted(labels.items())
        if key not in PER_POD and not key.startswith(PER_PLACE) and _is_label(key, value)
    }


@lru_cache(maxsize=1 << 16)
def is_name(text: str) -> bool:
    """Whether a workload or namespace may be called so, with room for the ending of a policy's name."""
    return bool(_NAME.fullmatch(text))


def _is_label(key: str, value: str) -> bool:
    """Whether Kubernetes would take it: what it would not, no pod has."""
    return bool(_KEY.fullmatch(key) and _VALUE.fullmatch(value))


def rank(key: str) -> tuple[int, str]:
    """The order in which labels are tried: names first, the service account last."""
    if key == SERVICE_ACCOUNT:
        return len(_USUAL) + 1, key
    return (_USUAL.index(key) if key in _USUAL else len(_USUAL)), key

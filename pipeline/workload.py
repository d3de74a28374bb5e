"""The workload behind a name in a flow log: what stays the same from pod to pod and rollout to rollout."""

import re
from collections.abc import Iterable

PER_ROLLOUT = ("pod-template-hash", "controller-revision-hash")
JOB_NAMES = ("batch.kubernetes.io/job-name", "job-name")
# A CronJob names its jobs by the minute they are due, in minutes since the epoch.
DUE = re.compile(r"-\d{8}$")


def workload_of(name_aggr: str, labels: Iterable[str]) -> str:
    """The workload of an aggregated name (`frontend-6cc98b6b-*`) and its labels ("key=value").

    Parts that labels show to be a rollout's or a job's go; a name that no label explains stays,
    without its `-*`.
    """
    known = dict(label.partition("=")[::2] for label in labels)
    name = name_aggr.removesuffix("*").removesuffix("-")
    for key in PER_ROLLOUT:
        if value := known.get(key):
            name = name.removesuffix(f"-{value}")
    if name in {known.get(key) for key in JOB_NAMES}:
        name = DUE.sub("", name)
    return name

"""A workload keeps its name through pods, rollouts and runs of a job."""

import pytest

from pipeline.workload import workload_of

CASES = [
    ("frontend-6cc98b6b-*", ["app=frontend", "pod-template-hash=6cc98b6b"], "frontend"),
    ("redis-*", ["controller-revision-hash=redis-7f"], "redis"),
    ("report-29923320-*", ["job-name=report-29923320"], "report"),
    ("report-29923320-*", ["batch.kubernetes.io/job-name=report-29923320"], "report"),
    ("api-20260101-*", [], "api-20260101"),
    ("frontend-6cc98b6b-*", [], "frontend-6cc98b6b"),
    ("pub", [], "pub"),
]


@pytest.mark.parametrize(("name", "labels", "workload"), CASES)
def test_what_varies_between_pods_of_a_workload_is_left_out(name, labels, workload):
    assert workload_of(name, labels) == workload

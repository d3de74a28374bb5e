"""Policies come back from an API with what its admission and its definitions add, and mean the same."""

from collections.abc import Iterator

import pytest
import yaml

from agents.follow_kubernetes_policies import KubernetesPolicies
from agents.kubernetes_access import Access
from agents.kubernetes_api import KubernetesApi
from deploy.demo.generate import POLICIES
from pipeline.policy.load import load_texts
from tests.kubernetes.objects import namespace
from tests.kubernetes.test_manifests import sample


@pytest.fixture
def applied(shared) -> Iterator[str]:
    """The policies of the sample cluster, on an API with Calico's admission."""
    manifests = sample(POLICIES)
    spaces = {each["metadata"]["namespace"] for each in manifests if "namespace" in each["metadata"]}
    text = yaml.safe_dump_all(manifests)
    shared.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(map(namespace, sorted(spaces))))
    shared.kubectl("apply", "-f", "-", given=text)
    yield text
    shared.kubectl("delete", "-f", "-", "--wait=false", given=text)


async def test_policies_of_the_sample_cluster_mean_the_same_on_it(shared, applied) -> None:
    written = load_texts([("sample.yaml", applied.encode())])
    async with KubernetesApi(Access(shared.kubeconfig)) as api:
        read = (await KubernetesPolicies(api).read()).loaded
    assert read.problems == ()
    assert {each.key: each.plain for each in read.policies} == {
        each.key: each.plain for each in written.policies
    }

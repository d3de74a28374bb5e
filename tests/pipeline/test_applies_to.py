"""A policy applies to the workloads of the pods that it selects, by what they have and inherit."""

import pytest

from pipeline.applies_to import AppliesTo
from pipeline.facts import Facts
from pipeline.policy.facts_resources import Namespace, Pod, ServiceAccount
from pipeline.policy.policies import Policy, PolicyKey
from pipeline.policy.selector import parse

NOW = 1_000.0


def pod(namespace: str, name: str, generate_name: str = "", **options) -> Pod:
    labels = {"app": name.partition("-")[0], "pod-template-hash": "7d9f"}
    return Pod(namespace, name, uid=name, labels=labels, generate_name=generate_name, **options)


FACTS = Facts.from_resources([
    Namespace("shop", {"team": "a"}),
    Namespace("bank", {"team": "b"}),
    ServiceAccount("shop", "robot", {"role": "machine"}),
    pod("shop", "web-7d9f-x1", "web-7d9f-"),
    pod("shop", "web-7d9f-x2", "web-7d9f-"),
    pod("shop", "api-0", service_account="robot"),
    pod("bank", "web-7d9f-y1", "web-7d9f-"),
    pod("bank", "gone-1", deleted=NOW - 1),
    pod("bank", "proxy-1", host_network=True),
])  # fmt: skip


def policy(selector: str, kind="gnp", namespace="", **options) -> Policy:
    key = PolicyKey(kind, namespace, "p")
    return Policy(key, "default", 1.0, parse(selector), frozenset({"ingress"}), **options)


@pytest.mark.parametrize(
    ("selected", "workloads"),
    [
        (policy("all()"), ["bank/web", "shop/api-0", "shop/web"]),
        (policy("app == 'web'"), ["bank/web", "shop/web"]),
        (policy("projectcalico.org/namespace == 'shop'", "np", "shop"), ["shop/api-0", "shop/web"]),
        (policy("all()", "np", "nowhere"), []),
        (policy("pcns.team == 'b'"), ["bank/web"]),
        (policy("pcsa.role == 'machine'"), ["shop/api-0"]),
        (policy("projectcalico.org/serviceaccount == 'robot'"), ["shop/api-0"]),
        (policy("all()", workloads=False), []),
        (policy("all()", "sgnp", staged_action="Delete"), []),
    ],
)
def test_it_selects_the_workloads_that_live(selected, workloads):
    assert AppliesTo(FACTS, NOW).workloads(selected) == workloads


def test_before_a_pod_was_there_it_is_not_selected():
    facts = Facts.from_resources([pod("shop", "web-1", created=NOW + 1)])
    assert AppliesTo(facts, NOW).workloads(policy("all()")) == []
    assert AppliesTo(facts, NOW + 2).workloads(policy("all()")) == ["shop/web-1"]

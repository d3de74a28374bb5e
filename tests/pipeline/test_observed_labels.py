"""Which labels are told of the endpoints of a batch."""

from dataclasses import replace
from itertools import permutations

from pipeline.facts import Facts
from pipeline.flow import Endpoint
from pipeline.observed_labels import labels_by_endpoint, labels_by_workload
from pipeline.policy.facts_resources import Pod
from pipeline.resolve import Resolver
from tests.pipeline.resolving import CLUSTER, POLICIES, batch_of, flow, net, wep

WEB = Pod(
    "shop",
    "api-5c9-a",
    uid="u-a",
    labels={"app": "api", "pod-template-hash": "5c9", "canary": "yes"},
    service_account="api",
    ips=("10.0.9.1",),
    generate_name="api-5c9-",
)
OTHER = replace(WEB, name="api-5c9-b", uid="u-b", labels={**WEB.labels, "canary": "no"}, ips=("10.0.9.2",))
ACCOUNT = ("projectcalico.org/serviceaccount", "api")


def told(endpoint: Endpoint, *facts: Pod) -> dict[str, str]:
    batch = batch_of([flow(source=endpoint, dest=net())])
    resolved = Resolver(Facts.from_resources([*CLUSTER, *facts]), POLICIES).resolve(batch)
    labels = labels_by_endpoint(batch, resolved)[0]
    assert labels is not None
    return dict(labels)


def test_a_pod_that_the_facts_know_has_its_own_labels_and_its_service_account() -> None:
    assert told(Endpoint("wep", "shop", WEB.name, "api-5c9-*", "10.0.9.1", None), WEB, OTHER) == dict(
        [*WEB.labels.items(), ACCOUNT]
    )


def test_of_an_aggregated_name_only_what_all_its_pods_have() -> None:
    found = told(Endpoint("wep", "shop", "", "api-5c9-*", "", None), WEB, OTHER)
    assert found == {"app": "api", "pod-template-hash": "5c9", ACCOUNT[0]: ACCOUNT[1]}


def test_of_a_pod_that_nobody_knows_what_its_record_lists() -> None:
    found = told(wep("stranger-1", "shop", listed=["app=x", "projectcalico.org/namespace=shop"]))
    assert found == {"app": "x"}


def test_what_took_part_in_no_flow_is_not_told_of() -> None:
    batch = batch_of([flow(source=wep("a-1"), dest=net()), flow(source=wep("b-1"), dest=net())])
    resolved = Resolver(Facts.from_resources(CLUSTER), POLICIES).resolve(batch)
    one = replace(batch, source=batch.source[:1], dest=batch.dest[:1])
    resolved = replace(resolved, source=resolved.source[:1], dest=resolved.dest[:1])
    assert [labels is None for labels in labels_by_endpoint(one, resolved)] == [False, True, False]


def test_an_endpoint_of_which_no_labels_are_known_says_nothing_of_the_others() -> None:
    pods = [Endpoint("wep", "shop", f"web-{n}", "web-*", "", None) for n in range(3)]
    web, shop = ("app", "web"), ("tier", "shop")
    for own in permutations([frozenset(), frozenset({web, shop}), frozenset({web})]):
        assert labels_by_workload([7, 7, 7], pods, own) == {7: {web}}
    assert labels_by_workload([7], pods[:1], [frozenset()]) == {7: frozenset()}

"""Resolving depends on no batch and no order, and leaves nobody out that a record may mean."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from pipeline.facts import Facts
from pipeline.flow import REPORTERS, Endpoint
from pipeline.policy.facts_resources import Namespace, ServiceAccount
from pipeline.resolve import Resolver
from tests.pipeline.resolving import HOST, POLICIES, batch_of, flow, net, nets, pod, side, wep

MOMENTS = st.integers(0, 12)
PODS = st.builds(
    lambda n, labels, created, life: (
        pod(f"web-7d4-{n}", f"10.0.0.{n}", f"u{n}-{created}", labels, created=float(created), node="node-1"),
        created + life,
    ),
    st.integers(1, 3),
    st.sampled_from([{"app": "web"}, {"app": "api"}, {"app": "web", "canary": "yes"}]),
    MOMENTS,
    st.integers(1, 6),
)
ENDPOINTS = st.sampled_from(
    [
        *(
            wep("" if n is None else f"web-7d4-{n}", listed=listed)
            for n, listed in product([None, 1, 2], [None, ["app=web"]])
        ),
        wep(ip="10.0.0.1"),
        net("pvt"),
        net("pub", "198.51.100.1"),
        Endpoint("ns", "shop", "", "partners", "", None),
        Endpoint("hep", "", "", "node-1", "", None),
    ]
)
FLOWS = st.builds(
    lambda source, dest, start, length, reporter, domains: flow(
        source, dest, start, start + length, reporter, domains=domains
    ),
    ENDPOINTS,
    ENDPOINTS,
    MOMENTS,
    st.integers(0, 6),
    st.sampled_from(REPORTERS),
    st.sampled_from([None, (), ("a.example",)]),
)


def cluster(pods, relabelled):
    facts = Facts.from_resources([ServiceAccount("shop", "web", {"tier": "front"}), HOST])
    facts.put(Namespace("shop", {"team": "a"}), 0)
    for each, ended in pods:
        facts.remember(each, each.created, float(ended))
    if relabelled is not None:
        facts.put(Namespace("shop", {"team": "b"}), relabelled)
    return facts


def sides_of(resolver, flows):
    resolved = resolver.resolve(batch_of(flows))
    return [
        (resolved.sides[source], resolved.sides[dest], own, unjudged)
        for source, dest, own, unjudged in zip(
            resolved.source,
            resolved.dest,
            resolved.own_host.tolist(),
            resolved.unjudged.tolist(),
            strict=True,
        )
    ]


@given(st.lists(PODS, max_size=5), st.none() | MOMENTS, st.lists(FLOWS, min_size=1, max_size=8), st.data())
def test_resolving_depends_neither_on_the_batch_nor_on_the_order(pods, relabelled, flows, data):
    facts = cluster(pods, relabelled)
    alone = [side for each in flows for side in sides_of(Resolver(facts, POLICIES), [each])]
    assert sides_of(Resolver(facts, POLICIES), flows) == alone
    order = data.draw(st.permutations(range(len(flows))))
    resolver = Resolver(facts, POLICIES)
    cut = data.draw(st.integers(0, len(flows)))
    shuffled = [flows[n] for n in order]
    found = sides_of(resolver, shuffled[:cut]) + sides_of(resolver, shuffled[cut:])
    assert found == [alone[n] for n in order]


@given(
    st.lists(PODS, min_size=1, max_size=5, unique_by=lambda life: life[0].uid),  # a pod ends once
    MOMENTS,
    st.integers(0, 6),
    st.sampled_from([None, ["app=web"]]),
)
def test_every_known_pod_that_it_could_be_is_a_candidate(pods, start, length, listed):
    facts = cluster(pods, None)
    found = side(wep(listed=listed), facts, start, start + length)
    for each, ended in pods:
        newest = not any(
            other.name == each.name and other.created >= each.created for other, _ in pods if other != each
        )
        lived = each.created <= start + length and ended > start
        if newest and lived and (listed is None or each.labels["app"] == "web"):
            assert any(
                set(each.labels.items()) <= set(candidate.identity.labels)
                and nets(f"{each.ips[0]}/32")[0] in candidate.addresses
                for candidate in found.candidates
            )

"""Whatever was learned is allowed once all proposals are enforced, and all of them can be enforced."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.policy.load import load_texts
from pipeline.recommend.recommendation import Options
from tests.pipeline.recommend.closing import enforced, replay
from tests.pipeline.recommend.learning import DNS, Cluster, flow, labels, messages, yaml_of

MANIFESTS = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: billing}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: partners, labels: {partner: bank}}
spec: {nets: [192.0.2.0/28]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: unlabelled}
spec: {nets: [192.0.2.64/28]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: node-1, labels: {kubernetes.io/hostname: node-1}}
spec: {node: node-1, interfaceName: "*", expectedIPs: [192.168.0.1]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: cart-1, namespace: shop, labels: {kubernetes.io/service-name: cart}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.7]}]
ports: [{protocol: TCP, port: 7070}]
"""


def pod(namespace: str, name: str, label: str, ip: str) -> str:
    """With an address of IPv4 alone, so that `pub` is no IPv6."""
    names = f"name: {name}-6b68-x, generateName: {name}-6b68-, namespace: {namespace}, uid: {name}"
    return f"""---
apiVersion: v1
kind: Pod
metadata: {{{names}, labels: {{{label}, pod-template-hash: 6b68}}}}
spec: {{serviceAccountName: default, nodeName: node-1, containers: [{{name: c}}]}}
status: {{phase: Running, podIP: {ip}, podIPs: [{{ip: {ip}}}], hostIP: 192.168.0.1}}
"""


PODS = (
    pod("shop", "cart", "app: cart", "10.0.0.7"),
    pod("shop", "web", "app: web", "10.0.0.8"),
    pod("billing", "api", "app: api", "10.0.0.9"),
    pod("kube-system", "coredns", "k8s-app: kube-dns", "10.0.0.53"),
)
CLUSTER = Cluster.of(MANIFESTS + "".join(PODS))
WORKLOADS = ["shop/web", "shop/cart", "billing/api", DNS]
OUTSIDE = [
    "pub",
    "pvt",
    "10.1.2.3",
    "10.200.0.1",
    "198.51.100.7",
    "198.51.100.9",
    "192.168.0.1",
    "203.0.113.1",
]
SET = {"dest_type": "ns", "dest_name_aggr": "partners", "dest_ip": "192.0.2.5"}
BARE_SET = {"dest_type": "ns", "dest_name_aggr": "unlabelled", "dest_ip": "192.0.2.65"}
HOST = {"dest_type": "hep", "dest_name_aggr": "node-1", "dest_namespace": "-", "dest_ip": "192.168.0.1"}
MORE: list[dict[str, Any]] = [
    {},
    {},
    {"dest_domains": ["b.example", "a.example"]},
    {"dest_service_name": "cart", "dest_service_namespace": "shop"},
]
PORTS = [53, 443, 7070, 8080, 8081, 8082, *range(9_000, 9_030, 2), *range(9_001, 9_020, 2), 50_051]
OUT = st.builds(
    lambda source, dest, port, hour, proto, more: flow(source, dest, port, hour, proto=proto, **more),
    st.sampled_from(WORKLOADS),
    st.sampled_from([*WORKLOADS, *OUTSIDE]),
    st.sampled_from(PORTS),
    st.integers(0, 10),
    st.sampled_from(["tcp", "udp", "sctp", "47"]),
    st.sampled_from(MORE),
) | st.builds(
    lambda source, port, more: flow(source, "192.0.2.5", port) | more,
    st.sampled_from(WORKLOADS),
    st.sampled_from(PORTS),
    st.sampled_from([SET, BARE_SET, HOST | {"dest_labels": labels(**{"kubernetes.io/hostname": "node-1"})}]),
)
IN = st.builds(
    lambda source, dest, port, hour: flow(source, dest, port, hour, reporter="dst", host="node-2"),
    st.sampled_from([*WORKLOADS, *OUTSIDE]),
    st.sampled_from(WORKLOADS),
    st.sampled_from(PORTS),
    st.integers(0, 10),
)
OPTIONS = st.builds(
    Options,
    mode=st.sampled_from(["workload", "namespace"]),
    intra_namespace=st.sampled_from(["allow", "pass"]),
    domains=st.booleans(),
    tighten=st.booleans(),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(OUT | IN, min_size=1, max_size=30), OPTIONS)
def test_what_was_seen_is_allowed_and_the_policies_are_taken(
    flows: list[dict[str, Any]], options: Options
) -> None:
    found = CLUSTER.recommend(flows, options)
    text = yaml_of(found)
    load_texts([("proposed.yaml", text.encode())]).require()
    assert [each.set_aside for each in found] == [[] for _ in found]
    (batch,) = messages(flows, len(flows))
    replayed = replay(enforced(CLUSTER.policies, found), CLUSTER.facts, batch)
    cut = [each for each, action in zip(flows, replayed.actions, strict=True) if action != "allow"]
    assert cut == [], text

"""The cluster's objects, as kubectl gives them, become facts."""

from typing import Any

import orjson
import pytest

from pipeline.policy.facts_resources import EndpointSlice, HostEndpoint, Namespace, Pod, ServiceAccount
from pipeline.policy.load import Loaded, load_texts
from pipeline.policy.resources import canonical_json

POD = """
apiVersion: v1
kind: Pod
metadata:
  name: cart-7d4b9c-x2x4z
  generateName: cart-7d4b9c-
  namespace: shop
  uid: 1f2e
  labels: {app: cart, pod-template-hash: 7d4b9c}
  creationTimestamp: 2026-01-02T03:04:05Z
  ownerReferences: [{kind: ReplicaSet, name: cart-7d4b9c}]
spec:
  serviceAccountName: cart
  nodeName: node-1
  containers:
  - name: server
    image: cart
    ports:
    - {name: grpc, containerPort: 7070, protocol: TCP}
    - {containerPort: 9090}
    - {name: dns, containerPort: 53, protocol: UDP}
status:
  phase: Running
  podIP: 10.1.0.7
  podIPs: [{ip: 10.1.0.7}, {ip: "fd00:0::7"}]
  hostIP: 192.168.0.1
  hostIPs: [{ip: 192.168.0.1}]
"""


def _load(text: str) -> Loaded:
    return load_texts([("facts.yaml", text.encode())])


def _fact(manifest: dict[str, Any]) -> Any:
    loaded = load_texts([("fact", orjson.dumps(manifest))])
    loaded.require()
    return loaded.facts[0].plain


def test_a_pod_keeps_what_selectors_ports_and_lifetimes_need() -> None:
    (resource,) = _load(POD).facts
    assert resource.key == "Pod/shop/cart-7d4b9c-x2x4z"
    assert resource.plain == Pod(
        namespace="shop",
        name="cart-7d4b9c-x2x4z",
        uid="1f2e",
        labels={"app": "cart", "pod-template-hash": "7d4b9c"},
        service_account="cart",
        ips=("10.1.0.7", "fd00::7"),
        node="node-1",
        host_ips=("192.168.0.1",),
        ports=(("grpc", 6, 7070), ("dns", 17, 53)),
        created=1767323045.0,
        generate_name="cart-7d4b9c-",
    )


def test_a_fact_survives_its_canonical_form_without_what_has_no_meaning() -> None:
    (resource,) = _load(POD).facts
    canonical = canonical_json(resource.document)
    assert load_texts([("again", canonical)]).facts == (resource,)
    assert b"image" not in canonical
    assert b"ownerReferences" not in canonical


def test_a_pod_without_status_has_no_address_and_the_default_account() -> None:
    pod = _fact({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "a"}})
    assert pod == Pod("a", "x")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_finished_ended_with_its_last_container(phase: str) -> None:
    ends = ["2026-01-02T00:00:05Z", "2026-01-02T00:00:09Z"]
    states = [{"state": {"terminated": {"finishedAt": end, "exitCode": 0}}} for end in ends]
    metadata = {"name": "job-x", "namespace": "a"}
    status = {"phase": phase, "podIP": "10.0.0.1", "containerStatuses": states}
    pod = _fact({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})
    assert pod.deleted == 1767312009.0


def test_a_pod_that_runs_on_after_a_container_ended_is_alive() -> None:
    states = [{"state": {"terminated": {"finishedAt": "2026-01-02T00:00:05Z"}}}]
    metadata = {"name": "x", "namespace": "a"}
    status = {"phase": "Running", "containerStatuses": states}
    pod = _fact({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status})
    assert pod.deleted is None


def test_a_pod_being_deleted_says_when() -> None:
    metadata = {"name": "x", "namespace": "a", "deletionTimestamp": "2026-01-02T00:00:05Z"}
    assert _fact({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}).deleted == 1767312005.0


def test_namespaces_service_accounts_host_endpoints_and_slices_are_facts() -> None:
    loaded = _load(
        """
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Namespace
  metadata: {name: shop, labels: {env: prod}, managedFields: [{manager: x}]}
  spec: {finalizers: [kubernetes]}
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: cart, namespace: shop, labels: null}
- apiVersion: projectcalico.org/v3
  kind: HostEndpoint
  metadata: {name: node-1-eth0, labels: {role: node}}
  spec:
    node: node-1
    interfaceName: eth0
    expectedIPs: [192.168.0.1]
    ports: [{name: kubelet, protocol: TCP, port: 10250}]
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: cart-abc, namespace: shop, labels: {kubernetes.io/service-name: cart}}
  addressType: IPv4
  endpoints: [{addresses: [10.1.0.7], conditions: {ready: true}}, {addresses: [10.1.0.8]}]
  ports: [{name: grpc, port: 7070}, {name: without-a-number}]
"""
    )
    assert [str(problem) for problem in loaded.problems] == []
    assert [resource.plain for resource in loaded.facts] == [
        EndpointSlice("shop", "cart-abc", "cart", ("10.1.0.7", "10.1.0.8"), ((6, 7070),)),
        HostEndpoint(
            "node-1-eth0", "node-1", {"role": "node"}, ("192.168.0.1",), (("kubelet", 6, 10250),), "eth0"
        ),
        Namespace("shop", {"env": "prod"}),
        ServiceAccount("shop", "cart"),
    ]


def test_names_behind_a_service_are_no_addresses() -> None:
    metadata = {"name": "s", "namespace": "a"}
    slice_ = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata}
    found = _fact({**slice_, "addressType": "FQDN", "endpoints": [{"addresses": ["db.example.org"]}]})
    assert found.addresses == ()


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ("metadata: {name: x, labels: {a: 1}}", "metadata.labels.a"),
        ("metadata: {namespace: x}", "metadata.name"),
        ("metadata: {name: x}\nstatus: {podIP: nowhere}", "status.podIP"),
        ("metadata: {name: x, creationTimestamp: soon}", "metadata.creationTimestamp"),
        (
            "metadata: {name: x}\nspec: {containers: [{ports: [{}]}]}",
            "spec.containers[0].ports[0].containerPort",
        ),
    ],
)
def test_a_fact_that_is_wrong_is_a_problem(wrong: str, field: str) -> None:
    (problem,) = _load(f"apiVersion: v1\nkind: Pod\n{wrong}\n").problems
    assert problem.field == field


def test_an_address_behind_a_service_must_be_one() -> None:
    (problem,) = _load(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x}\naddressType: IPv4\n"
        "endpoints:\n- addresses: [10.0.0.1, nowhere]\n"
    ).problems
    assert (problem.field, problem.line) == ("endpoints[0].addresses[1]", 6)

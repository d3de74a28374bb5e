"""Files, directories and messages become resources, or every reason why not."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.policy.load import Loaded, load_paths, load_texts
from pipeline.policy.problems import ManifestError
from pipeline.policy.resources import KINDS, canonical_json

TIER = "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: %s}\nspec: {order: 1}\n"
POLICY = (
    "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: p, namespace: a}\nspec:\n  %s\n"
)


def _load(text: str, name: str = "file.yaml") -> Loaded:
    return load_texts([(name, text.encode())])


def _problems(loaded: Loaded) -> list[str]:
    return [str(problem) for problem in loaded.problems]


def _keys(loaded: Loaded) -> list[str]:
    return [resource.key for resource in loaded.policies + loaded.facts]


def test_all_that_is_wrong_is_said_at_once_with_file_line_field_and_reason() -> None:
    loaded = load_texts(
        [
            ("one.yaml", (TIER % "a" + "---\n" + TIER % "B" + "  tier: x\n").encode()),
            ("two.yaml", b"a: ]\n"),
            (
                "three.yaml",
                (POLICY % "types: [Ingress]\n  ingress:\n  - action: allow\n    protocol: tcp\n").encode(),
            ),
        ]
    )
    assert [(problem.file, problem.line, problem.field) for problem in loaded.problems] == [
        ("one.yaml", 10, "file"),
        ("two.yaml", 1, "file"),
        ("three.yaml", 7, "spec.ingress[0].action"),
        ("three.yaml", 8, "spec.ingress[0].protocol"),
    ]
    with pytest.raises(ManifestError) as caught:
        loaded.require()
    assert str(caught.value).splitlines()[2] == (
        "three.yaml:7: spec.ingress[0].action: must be 'Allow', 'Deny', 'Log' or 'Pass', not 'allow'"
    )


@pytest.mark.parametrize(
    ("spec", "field", "says"),
    [
        ("selector: a == b", "spec.selector", "a quoted string"),
        ("order: high", "spec.order", "must be a number, not 'high'"),
        ("tier: null", "spec.tier", "no value"),
        ("tier: 'a|b'", "spec.tier", "must be lower case letters"),
        ("ingres: []", "spec.ingres", "unknown field"),
        ("ingress: {action: Allow}", "spec.ingress", "must be a list, not a mapping"),
        ("ingress: [{}]", "spec.ingress[0].action", "required, but missing"),
        ("types: [Ingress, Ingress]", "spec.types", "twice"),
        (
            "ingress: [{action: Deny, http: {methods: [GET]}}]",
            "spec.ingress[0].http",
            "only for rules with action Allow",
        ),
        (
            "egress: [{action: Allow, destination: {ports: [80]}}]",
            "spec.egress[0].destination.ports",
            "needs protocol TCP, UDP or SCTP",
        ),
        (
            "egress: [{action: Allow, protocol: TCP, destination: {ports: ['9:8']}}]",
            "spec.egress[0].destination.ports[0]",
            "from low to high",
        ),
        (
            "egress: [{action: Allow, destination: {nets: [10.0.0.0/33]}}]",
            "spec.egress[0].destination.nets[0]",
            "must be a CIDR",
        ),
        (
            "egress: [{action: Allow, icmp: {type: 8  Ping request}, protocol: ICMP}]",
            "spec.egress[0].icmp.type",
            "must be a whole number, not '8  Ping request'",
        ),
        ("ingress: [{action: Allow, icmp: {type: 8}}]", "spec.ingress[0].icmp", "needs protocol ICMP"),
        (
            "ingress: [{action: Allow, source: {nets: ['::/1', 10.0.0.0/8]}}]",
            "spec.ingress[0].source.nets[1]",
            "IPv6",
        ),
    ],
)
def test_a_mistake_is_named_where_it_stands(spec: str, field: str, says: str) -> None:
    (problem,) = _load(POLICY % spec).problems
    assert (problem.field, problem.line) == (field, 5)
    assert says in problem.reason


def test_a_duplicate_key_is_a_problem_beside_the_others() -> None:
    assert _problems(_load(TIER % "a" + "spec: {order: 2, ordr: 3}\n")) == [
        "file.yaml:5: spec: duplicate key, first in line 4"
    ]


def test_the_same_resource_twice_names_both_places() -> None:
    loaded = load_texts([("a.yaml", (TIER % "t").encode()), ("b.yaml", (TIER % "t").encode())])
    assert _problems(loaded) == ["b.yaml:3: metadata.name: Tier//t is already in a.yaml, line 1"]


def test_lists_give_their_kind_to_items_without_one() -> None:
    loaded = _load(
        "apiVersion: projectcalico.org/v3\nkind: TierList\nitems:\n"
        "- metadata: {name: a}\n  spec: {order: 1}\n"
        "---\nkind: List\napiVersion: v1\nitems:\n"
        "- apiVersion: v1\n  kind: Namespace\n  metadata: {name: shop}\n"
        "---\nkind: List\napiVersion: v1\nitems: null\n"
    )
    assert _problems(loaded) == []
    assert _keys(loaded) == ["Tier//a", "Namespace//shop"]


def test_other_kinds_are_passed_over_and_counted() -> None:
    loaded = _load(
        """
apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
---
apiVersion: cilium.io/v2
kind: NetworkPolicy
metadata: {name: d}
spec: {what: ever}
---
---
# nothing
---
replicas: 3
---
kind: StagedNetworkPolicy
name: from-a-flow-log
---
on: {push: {}}
jobs: !include x
"""
    )
    assert _problems(loaded) == []
    assert loaded.passed_over == {
        "apps/v1 Deployment": 1,
        "cilium.io/v2 NetworkPolicy": 1,
        "StagedNetworkPolicy": 1,
        "(no kind)": 2,
    }


@pytest.mark.parametrize("kind", ["AdminNetworkPolicy", "BaselineAdminNetworkPolicy"])
def test_retired_kinds_are_passed_over_with_a_warning_that_names_the_successor(kind: str) -> None:
    loaded = _load(f"apiVersion: policy.networking.k8s.io/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\n")
    (warning,) = loaded.warnings
    assert "ClusterNetworkPolicy" in warning.reason
    assert warning.line == 2
    assert not loaded.problems


@pytest.mark.parametrize(
    ("api_version", "kind", "served"),
    [
        ("policy.networking.k8s.io/v1alpha1", "ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2"),
        ("projectcalico.org/v1", "Tier", "projectcalico.org/v3"),
        ("networking.k8s.io/v1beta1", "NetworkPolicy", "networking.k8s.io/v1"),
    ],
)
def test_a_version_that_is_not_served_is_refused_and_the_right_one_named(api_version, kind, served) -> None:
    (problem,) = _load(f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: x}}\n").problems
    assert problem.field == "apiVersion"
    assert problem.reason.endswith(f"write {served}")


def test_a_policy_without_api_version_is_no_guess() -> None:
    (problem,) = _load("kind: NetworkPolicy\nmetadata: {name: x}\nspec: {}\n").problems
    assert problem.field == "apiVersion"


def test_a_namespaced_kind_without_namespace_goes_to_default_with_a_warning() -> None:
    loaded = _load(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: x}\n"
        "spec: {podSelector: {}}\n"
    )
    assert _keys(loaded) == ["KubernetesNetworkPolicy/default/x"]
    assert [(warning.line, warning.field) for warning in loaded.warnings] == [(3, "metadata.namespace")]


def test_what_the_server_adds_and_the_storage_form_are_fine() -> None:
    stored = (
        (TIER % "t")
        .replace("projectcalico.org/v3", "crd.projectcalico.org/v1")
        .replace(
            "{name: t}",
            "{name: t, uid: u, resourceVersion: '1', generation: 2, creationTimestamp: 2024-01-01T00:00:00Z,"
            " managedFields: [{x: 1}], annotations: {kubectl.kubernetes.io/last-applied: '{}'}}",
        )
    )
    loaded = _load(stored + "status: {conditions: []}\n")
    assert _problems(loaded) == []
    assert loaded.policies == _load(TIER % "t").policies


def test_directories_are_read_whole_and_links_out_of_them_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(TIER % "outside")
    root = tmp_path / "root"
    (root / "deep" / "er").mkdir(parents=True)
    (root / ".hidden").mkdir()
    (root / "a.yaml").write_text(TIER % "a")
    (root / "deep" / "er" / "b.YML").write_text(TIER % "b")
    (root / "deep" / "c.json").write_bytes(
        b'{"apiVersion": "projectcalico.org/v3", "kind": "Tier",\n"metadata": {"name": "c"}, "spec": {}}'
    )
    (root / "notes.txt").write_text("{")
    (root / ".hidden" / "d.yaml").write_text(TIER % "d")
    (root / "link.yaml").symlink_to(outside)
    loaded = load_paths([root])
    assert _keys(loaded) == ["Tier//a", "Tier//b", "Tier//c"]
    assert [warning.file for warning in loaded.warnings] == [str(root / "link.yaml")]
    assert _keys(load_paths([outside, root / "a.yaml"])) == ["Tier//a", "Tier//outside"]


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    data = tmp_path / "..2024_01_01"
    data.mkdir()
    (data / "tier.yaml").write_text(TIER % "t")
    (tmp_path / "..data").symlink_to(data.name)
    (tmp_path / "tier.yaml").symlink_to("..data/tier.yaml")
    loaded = load_paths([tmp_path])
    assert (_keys(loaded), _problems(loaded)) == (["Tier//t"], [])


def test_a_path_that_is_not_there_is_a_problem_not_a_traceback(tmp_path: Path) -> None:
    (problem,) = load_paths([tmp_path / "missing.yaml"]).problems
    assert problem.reason == "cannot be read: No such file or directory"


def test_keys_tell_calicos_and_kubernetes_policies_of_one_name_apart() -> None:
    both = [
        {
            "apiVersion": version,
            "kind": "NetworkPolicy",
            "metadata": {"name": "x", "namespace": "n"},
            "spec": {},
        }
        for version in ("projectcalico.org/v3", "networking.k8s.io/v1")
    ]
    loaded = load_texts((str(index), orjson.dumps(item)) for index, item in enumerate(both))
    assert _keys(loaded) == ["KubernetesNetworkPolicy/n/x", "NetworkPolicy/n/x"]


def test_canonical_json_loads_to_the_same_resource() -> None:
    loaded = _load(POLICY % "order: 1\n  selector: a == 'x'\n" + "---\n" + TIER % "t")
    again = load_texts((resource.key, canonical_json(resource.document)) for resource in loaded.policies)
    assert again.policies == loaded.policies


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
fields = st.sampled_from(
    ["name", "namespace", "labels", "ingress", "egress", "source", "ports", "protocol", "selector", "types"]
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(fields, inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.sampled_from(KINDS), anything, anything)
def test_no_manifest_however_wrong_does_worse_than_give_problems(kind, metadata, spec) -> None:
    manifest = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": spec}
    try:
        content = orjson.dumps(manifest)
    except TypeError:  # an integer that JSON cannot hold
        return
    loaded = load_texts([("x", content)])
    found = loaded.policies + loaded.facts + loaded.rbac
    assert loaded.problems or loaded.rbac_problems or len(found) == 1

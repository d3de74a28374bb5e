"""Whatever staged policies, however they are written: enforcing all puts in force what was promoted, and what
is not touched stays byte for byte."""

import json
from dataclasses import dataclass, replace
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.match.reference import in_scope
from pipeline.policy.edit import Enforced, enforce
from pipeline.policy.load import load_texts
from pipeline.policy.policies import Policies, Policy
from pipeline.policy.promote import promotable, promote
from pipeline.policy.revision import to_policies

CALICO = "projectcalico.org/v3"
COMMENTS = ("# why", "# été: 'quoted' {x} - y", "#", "   # deep  ")
SELECTORS = ("all()", "app == 'web'", 'has(app) && app != "ü"', "projectcalico.org/name contains '#'")
RULES = st.fixed_dictionaries(
    {"action": st.sampled_from(["Allow", "Deny", "Pass", "Log"])},
    optional={
        "protocol": st.sampled_from(["TCP", 17]),
        "source": st.fixed_dictionaries({"selector": st.sampled_from(SELECTORS)}),
        "destination": st.just({"nets": ["10.0.0.0/8", "172.16.0.0/12"]}),
        "metadata": st.sampled_from(
            [
                {"annotations": {"policyrecommendation.tigera.io/scope": "Domains"}},
                {"annotations": {"policyrecommendation.tigera.io/scope": "Public", "team": "a"}},
            ]
        ),
    },
)
CALICO_SPECS = st.fixed_dictionaries(
    {"selector": st.sampled_from(SELECTORS)},
    optional={
        "order": st.sampled_from([0, 1, 2.5, -3]),
        "types": st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
        "ingress": st.lists(RULES, max_size=2),
        "egress": st.lists(RULES, max_size=2),
    },
)
KUBERNETES_SPECS = st.fixed_dictionaries(
    {"podSelector": st.sampled_from([{}, {"matchLabels": {"app": "web"}}])},
    optional={"policyTypes": st.just(["Ingress"]), "ingress": st.just([{"from": [{"podSelector": {}}]}])},
)
KINDS = {
    "NetworkPolicy": CALICO_SPECS,
    "GlobalNetworkPolicy": CALICO_SPECS,
    "StagedNetworkPolicy": CALICO_SPECS,
    "StagedGlobalNetworkPolicy": CALICO_SPECS,
    "StagedKubernetesNetworkPolicy": KUBERNETES_SPECS,
}


@dataclass(frozen=True)
class Chunk:
    """A document as it is written, and the manifest."""

    text: str
    manifest: dict[str, Any]


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from([*KINDS, *KINDS, "KubernetesNetworkPolicy", "ConfigMap"]))
    metadata: dict[str, Any] = {"name": draw(st.sampled_from("pq"))}
    if "Global" not in kind:
        metadata["namespace"] = draw(st.sampled_from(["shop", "bank"]))
    if kind == "ConfigMap":
        return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": {"a": "x: |\n  y\n"}}
    spec = draw(KINDS.get(kind, KUBERNETES_SPECS))
    if kind.startswith("Staged"):
        action = draw(st.sampled_from([None, "Set", "Set", "Delete", "Learn", "Ignore"]))
        if action == "Delete":
            spec = {"podSelector": {}} if "Kubernetes" in kind else {}
        spec = dict(sorted((spec | ({"stagedAction": action} if action else {})).items()))
        if draw(st.booleans()):
            metadata["labels"] = {"projectcalico.org/spec.stagedAction": action or "Set"}
    own = kind == "KubernetesNetworkPolicy"
    return {
        "apiVersion": "networking.k8s.io/v1" if own else CALICO,
        "kind": "NetworkPolicy" if own else kind,
        "metadata": metadata,
        "spec": spec,
    }


class Plain(yaml.SafeDumper):
    """Nothing is an alias of something else."""

    def ignore_aliases(self, _: object) -> bool:
        return True


@st.composite
def written(draw: st.DrawFn, manifest: dict[str, Any]) -> str:
    """The manifest as some person may have written it."""
    if draw(st.sampled_from([True, False, False, False])):
        return json.dumps(manifest, indent=draw(st.sampled_from([None, 2, 4])), ensure_ascii=False) + "\n"
    flow = draw(st.sampled_from([False, False, None]))
    text = yaml.dump(
        manifest,
        Dumper=Plain,
        sort_keys=False,
        indent=draw(st.sampled_from([2, 4])),
        default_flow_style=flow,
        width=9999,
    )
    lines = []
    for line in text.splitlines():
        if manifest["kind"] != "ConfigMap" and draw(st.integers(0, 5)) == 0:
            lines.append(draw(st.sampled_from(COMMENTS)))
        behind = manifest["kind"] != "ConfigMap" and draw(st.integers(0, 5)) == 0
        lines.append(f"{line}  # behind" if behind else line)
    return "\n".join(lines) + "\n"


def name_of(manifest: dict[str, Any]) -> str:
    metadata = manifest["metadata"]
    return f"{manifest['apiVersion']} {manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


@st.composite
def repositories(draw: st.DrawFn) -> dict[str, list[Chunk]]:
    found = draw(st.lists(manifests(), min_size=1, max_size=6, unique_by=name_of))
    files: dict[str, list[Chunk]] = {}
    for manifest in found:
        name = draw(st.sampled_from(["a.yaml", "b.yaml"]))
        files.setdefault(name, []).append(Chunk(draw(written(manifest)), manifest))
    return files


@dataclass(frozen=True)
class Form:
    """How documents stand together in a file."""

    newline: str
    separator: str
    header: str
    end: str

    def join(self, chunks: list[Chunk]) -> bytes:
        text = self.separator.join(chunk.text for chunk in chunks).removesuffix("\n") + self.end
        return self.lines(self.header + text).encode()

    def lines(self, text: str) -> str:
        return text.replace("\n", self.newline)


FORMS = st.builds(
    Form,
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["---\n", "---   # next\n", "\n\n---\n\n", "# of nobody\n---\n"]),
    st.sampled_from(["", "# Licence\n\n", "# Licence\n---\n", "---\n"]),
    st.sampled_from(["\n", "", "\n\n", "\n---\n"]),
)


def policies_of(files: dict[str, bytes]) -> Policies:
    return to_policies(load_texts(files.items()))


def after(files: dict[str, bytes], result: Enforced) -> dict[str, bytes]:
    left = {name: result.files.get(name, content) for name, content in files.items()}
    return {name: content for name, content in left.items() if content is not None}


def as_enforced(policy: Policy) -> Policy:
    return replace(policy, key=policy.key.twin, staged_action="Set")


@given(repositories(), FORMS)
@settings(max_examples=150, deadline=None)
def test_all_that_was_promoted_is_in_force_and_nothing_else_changed(files, form) -> None:
    before = {name: form.join(chunks) for name, chunks in files.items()}
    result = enforce(before)
    assert [each for each in result.outcomes if each.word == "refused"] == []
    left = after(before, result)
    was, now = policies_of(before), policies_of(left)
    assert list(in_scope(now, "enforced")) == [as_enforced(each) for each in in_scope(was, "promoted")]
    assert now.policies == promote(was, promotable(was)).policies
    still = [each for each in now.policies if each.key.staged]
    assert {each.staged_action for each in still} <= {"Learn", "Ignore"}
    assert enforce(left).files == {}
    untouched(files, left, form)


def untouched(files: dict[str, list[Chunk]], left: dict[str, bytes], form: Form) -> None:
    """What is not staged and has no staged twin is there byte for byte, in the same order."""
    everything = [chunk for chunks in files.values() for chunk in chunks]
    staged = {twin(chunk.manifest) for chunk in everything if accepted(chunk.manifest)}
    for name, chunks in files.items():
        text, at = left.get(name, b"").decode(), 0
        for chunk in chunks:
            if not accepted(chunk.manifest) and name_of(chunk.manifest) not in staged:
                written = form.lines(chunk.text.removesuffix("\n"))
                at = text.index(written, at) + len(written)
        assert not text or text.startswith(form.lines(form.header.partition("---")[0]))


def accepted(manifest: dict[str, Any]) -> bool:
    action = manifest.get("spec", {}).get("stagedAction", "Set")
    return manifest["kind"].startswith("Staged") and action in ("Set", "Delete")


def twin(manifest: dict[str, Any]) -> str:
    own = "Kubernetes" in manifest["kind"]
    kind = manifest["kind"].removeprefix("Staged").removeprefix("Kubernetes")
    return name_of(manifest | {"kind": kind, "apiVersion": "networking.k8s.io/v1" if own else CALICO})

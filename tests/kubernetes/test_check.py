"""What a check says of published manifests is what the real API does with them, but for what is named."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline.policy.load import load_texts
from pipeline.policy.resources import Kind, find
from pipeline.policy.yaml_lines import TextError, documents
from tests.kubernetes.client import Client, path
from tests.kubernetes.objects import namespace
from tests.pipeline.check.test_realdata import found, manifests

# Warnings of what this API refuses and others take: older Kubernetes, Calico's own, Enterprise.
SOME_REFUSE = {"net-listed-twice", "net-with-host-bits", "enterprise-field"}
# The notes call a null invalid, and this API takes it as if it were not there, in its own kinds alone.
MORE_REFUSED = {"Calico's validator, which CRDs have not": 11, "null in a Kubernetes policy": 8}
DRY = "?dryRun=All&fieldValidation=Strict"
ADDED = ("resourceVersion", "uid", "generation", "creationTimestamp", "managedFields", "ownerReferences")

type Manifest = dict[str, Any]


def alone() -> Iterator[tuple[str, Kind, Manifest]]:
    """Those of one document that this API serves, as somebody would apply them."""
    for name, text in manifests().items():
        try:
            read = [each for each in documents(text) if isinstance(each.data, dict)]
        except TextError:
            continue
        if len(read) != 1 or read[0].flaws:
            continue
        data = read[0].data
        kind = find(str(data.get("apiVersion")), str(data.get("kind")))
        if kind and kind.group in ("projectcalico.org", "networking.k8s.io"):
            about = {key: value for key, value in (data.get("metadata") or {}).items() if key not in ADDED}
            about |= {"namespace": about.get("namespace", "default")} if kind.namespaced else {}
            spec = {"spec": data["spec"]} if "spec" in data else {}
            others = {key: value for key, value in data.items() if key not in ("spec", "status")}
            yield name, kind, others | spec | {"apiVersion": kind.api_version, "metadata": about}


@pytest.fixture
def refused(client: Client) -> dict[str, str]:
    """Why the API refuses a manifest, by file; "" where it takes it."""
    answers = {}
    spaces = {"default", "kube-system", "kube-public"}
    for name, kind, manifest in alone():
        space = manifest["metadata"].get("namespace", "default")
        if kind.namespaced and space not in spaces and "namespace" not in _wrong(name):
            client.put(namespace(space))
            spaces.add(space)
        where = manifest if kind.namespaced else manifest | {"metadata": {}}
        try:
            client.ask("POST", path(where) + DRY, manifest)
        except AssertionError as error:
            answers[name] = str(error)
        else:
            answers[name] = ""
    return answers


def _wrong(name: str) -> str:
    return " ".join(each.problem.field for each in found()[name] if each.lint.severity == "error")


def test_what_the_api_refuses_is_refused_or_warned_of_and_what_it_takes_is_not_refused(refused):
    assert len(refused) > 650
    unsaid = {name: why for name, why in refused.items() if why and not _told(name)}
    assert unsaid == {}
    more = [
        name for name, why in refused.items() if not why and load_texts([(name, manifests()[name])]).problems
    ]
    assert Counter(map(_why_we_refuse, more)) == MORE_REFUSED


def _told(name: str) -> bool:
    return any(each.lint.id in {"refused", *SOME_REFUSE} for each in found()[name])


def _why_we_refuse(name: str) -> str:
    problem = load_texts([(name, manifests()[name])]).problems[0]
    return (
        "null in a Kubernetes policy"
        if "(null)" in problem.reason
        else "Calico's validator, which CRDs have not"
    )

"""The sample policy repository, and other tools' schemas to check it against."""

import gzip
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
GITOPS = ROOT / "deploy" / "gitops"
REPOSITORY = GITOPS / "repository"
CALICO = REPOSITORY / "calico"
SCHEMAS = ROOT / "tests" / "schemas"
CRDS = {
    ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"): "flux-kustomizations.yaml",
    ("source.toolkit.fluxcd.io/v1", "GitRepository"): "flux-gitrepositories.yaml",
    ("argoproj.io/v1alpha1", "Application"): "argocd-applications.yaml.gz",
}


def documents(*files: Path) -> list[Any]:
    """All documents of some YAML files."""
    return [each for file in files for each in yaml.safe_load_all(file.read_text()) if each is not None]


def crd_schema(document: dict[str, Any]) -> dict[str, Any]:
    """The schema of a custom resource; fields that it does not name are wrong, as they are to people."""
    content = (SCHEMAS / CRDS[document["apiVersion"], document["kind"]]).read_bytes()
    crd = yaml.safe_load(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)
    _, _, version = document["apiVersion"].rpartition("/")
    (served,) = (each for each in crd["spec"]["versions"] if each["name"] == version and each["served"])
    schema = deepcopy(served["schema"]["openAPIV3Schema"])
    _close(schema["properties"]["spec"])
    return schema


def _close(schema: Any) -> None:
    for each in _nested(schema):
        if "properties" in each and not each.get("x-kubernetes-preserve-unknown-fields"):
            each.setdefault("additionalProperties", False)


def _nested(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "type" in schema or "properties" in schema:
            yield schema
        for each in schema.values():
            yield from _nested(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _nested(each)

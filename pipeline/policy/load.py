"""Manifests in files and messages ▸ checked resources, with everything that is wrong named at once."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.policy.problems import Finding, ManifestError, Problem, nulls, path, worded
from pipeline.policy.resources import Document, Kind, Resource, find, reduced, resource_key
from pipeline.policy.yaml_lines import TextError, Value, documents

SUFFIXES = (".yaml", ".yml", ".json")
RETIRED = ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy")


@dataclass(frozen=True, slots=True)
class Loaded:
    """All that was found: resources, problems, warnings, and how often each kind was passed over."""

    policies: tuple[Resource, ...] = ()
    facts: tuple[Resource, ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    passed_over: Counter[str] = field(default_factory=Counter)

    def require(self) -> None:
        """Raises ManifestError with all problems, if there is one."""
        if self.problems:
            raise ManifestError(self.problems)


def load_paths(paths: Iterable[Path]) -> Loaded:
    """Everything in the files, and in the *.yaml, *.yml and *.json below the directories."""
    loader = _Loader()
    for given in paths:
        for file in _files(given, loader):
            try:
                content = file.read_bytes()
            except OSError as error:
                loader.problem(str(file), 1, "", f"cannot be read: {error.strerror}")
                continue
            loader.text(str(file), content)
    return loader.loaded()


def load_texts(items: Iterable[tuple[str, bytes]]) -> Loaded:
    """Everything in the texts, each with the name that problems call it by."""
    loader = _Loader()
    for name, content in items:
        loader.text(name, content)
    return loader.loaded()


def _files(given: Path, loader: "_Loader") -> Iterator[Path]:
    if not given.is_dir():
        yield given
        return
    root = given.resolve()
    for file in sorted(given.rglob("*")):
        if file.suffix.lower() not in SUFFIXES or not file.is_file():
            continue
        if file.resolve().is_relative_to(root):
            yield file
        else:
            loader.warning(str(file), 1, "", "is a link that leaves the directory: not followed")


class _Loader:
    """Collects what is found, text by text."""

    def __init__(self) -> None:
        self.resources: dict[str, tuple[Kind, Resource, str]] = {}
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.passed_over: Counter[str] = Counter()

    def loaded(self) -> Loaded:
        found = [self.resources[key] for key in sorted(self.resources)]
        return Loaded(
            policies=tuple(resource for kind, resource, _ in found if kind.role == "policy"),
            facts=tuple(resource for kind, resource, _ in found if kind.role == "fact"),
            problems=tuple(self.problems),
            warnings=tuple(self.warnings),
            passed_over=self.passed_over,
        )

    def problem(self, file: str, line: int, place: str, reason: str) -> None:
        self.problems.append(Problem(file, line, place or "file", reason))

    def warning(self, file: str, line: int, place: str, reason: str) -> None:
        self.warnings.append(Problem(file, line, place or "file", reason))

    def text(self, name: str, content: bytes) -> None:
        try:
            for document in documents(content):
                for item in _items(document):
                    self.item(name, item)
        except TextError as error:
            self.problem(name, error.line, path(error.location), error.reason)

    def item(self, name: str, value: Value) -> None:
        data = value.data
        if data is None:
            return
        if not isinstance(data, dict) or not isinstance(data.get("kind"), str):
            self.passed_over["(no kind)"] += 1
            return
        api_version = data.get("apiVersion")
        if not isinstance(api_version, str):
            api_version = ""
        kind = find(api_version, data["kind"])
        if data["kind"] in RETIRED and api_version.startswith("policy.networking.k8s.io/"):
            reason = f"{data['kind']} is retired and passed over: write a ClusterNetworkPolicy"
            self.warning(name, value.line_of(("kind",)), "kind", reason)
        if kind is None:
            self.passed_over[f"{api_version} {data['kind']}".strip()] += 1
            return
        self.resource(name, value, kind)

    def resource(self, name: str, value: Value, kind: Kind) -> None:
        findings = _Findings(self, name, value)
        manifest = _checked(value.data, kind, findings)
        if manifest is None:
            return
        namespace = (manifest.metadata.namespace or "default") if kind.namespaced else ""
        if kind.namespaced and not manifest.metadata.namespace:
            line = value.line_of(("metadata",))
            self.warning(name, line, "metadata.namespace", "not given: taken as namespace default")
        document = reduced(value.data, kind, namespace)
        key = resource_key(document)
        where = f"{name}:{value.line}"
        if kind.role == "policy" and key in self.resources:
            findings.add((("metadata", "name"), f"{key} is already defined at {self.resources[key][2]}"))
            return
        self.resources[key] = (kind, Resource(key, document, kind.plain(manifest, namespace)), where)


class _Findings:
    """Turns findings in one manifest into problems."""

    def __init__(self, loader: _Loader, name: str, value: Value) -> None:
        self.loader = loader
        self.name = name
        self.value = value
        self.places: set[str] = set()

    def add(self, finding: Finding) -> None:
        location, reason = finding
        place = path(location)
        if place not in self.places:
            self.places.add(place)
            self.loader.problem(self.name, self.value.line_of(location), place, reason)


def _checked(data: Document, kind: Kind, findings: _Findings) -> Any:
    """The manifest, or None where it is wrong."""
    served = (
        (kind.api_version, "crd.projectcalico.org/v1")
        if kind.group == "projectcalico.org"
        else (kind.api_version,)
    )
    if data["apiVersion"] not in served:
        findings.add((("apiVersion",), f"{data['apiVersion']} is not served: write {kind.api_version}"))
        return None
    if kind.role == "policy":
        for finding in nulls(data.get("spec"), ("spec",)) if "spec" in data else ():
            findings.add(finding)
    try:
        manifest = kind.schema.model_validate(data)
    except ValidationError as error:
        for finding in worded(error):
            findings.add(finding)
        return None
    for finding in manifest.checks() if hasattr(manifest, "checks") else ():
        findings.add(finding)
    return None if findings.places else manifest


def _items(value: Value) -> Iterator[Value]:
    """The document itself, or what it lists (a List of any kind, with items that may leave out theirs)."""
    data = value.data
    is_list = isinstance(data, dict) and str(data.get("kind", "")).endswith("List") and "items" in data
    if not is_list:
        yield value
        return
    inherited = {"apiVersion": data.get("apiVersion"), "kind": data["kind"].removesuffix("List")}
    for item in value.parts["items"].parts.values():
        if isinstance(item.data, dict) and inherited["kind"]:
            item.data = {**inherited, **item.data}
        yield from _items(item)

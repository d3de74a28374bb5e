"""Manifests in files and messages ▸ checked resources, with everything that is wrong named at once."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.policy.check import checked
from pipeline.policy.facts_resources import Fact
from pipeline.policy.policies import NetworkSet, Policy, Tier
from pipeline.policy.problems import Finding, Location, ManifestError, Problem, path
from pipeline.policy.rbac_resources import Binding, RbacObject, Role
from pipeline.policy.read import Read, read_files, read_text
from pipeline.policy.resources import Kind, Resource, Said, find, known, reduced, resource_key
from pipeline.policy.yaml_lines import Flaw, Item

SUFFIXES = (".yaml", ".yml", ".json")
RETIRED = ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource is written."""

    file: str
    item: Item

    def problem(self, location: Location, reason: str) -> Problem:
        """Something about what stands at the location in the resource."""
        return Problem(self.file, self.item.line_of(location), path(location) or "document", reason)


@dataclass(frozen=True, slots=True)
class Loaded:
    """All that was found: resources, problems, warnings, how often each kind was passed over, and by their
    keys where policies and RBAC stand.

    What is wrong with RBAC stands apart: who may change policies is nothing that judges traffic, and no part
    of a revision.
    """

    policies: tuple[Resource[Said], ...] = ()
    facts: tuple[Resource[Fact], ...] = ()
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    passed_over: Counter[str] = field(default_factory=Counter)
    places: Mapping[str, Place] = field(default_factory=dict, repr=False, compare=False)
    rbac: tuple[Resource[RbacObject], ...] = ()
    rbac_problems: tuple[Problem, ...] = ()

    def require(self) -> None:
        """Raises ManifestError with all problems of policies and facts, if there is one."""
        if self.problems:
            raise ManifestError(self.problems)

    def require_rbac(self) -> None:
        """Raises ManifestError with all problems of RBAC, if there is one."""
        if self.rbac_problems:
            raise ManifestError(self.rbac_problems)


def load_paths(paths: Iterable[Path]) -> Loaded:
    """Everything in the files, and in the *.yaml, *.yml, *.json below the directories that are not hidden."""
    loader = _Loader()
    files = [file for given in paths for file in _files(given, loader)]
    for file, read in zip(files, read_files(files), strict=True):
        loader.take(str(file), read)
    return loader.loaded()


def load_texts(items: Iterable[tuple[str, bytes]]) -> Loaded:
    """Everything in the texts, each with the name that problems call it by."""
    loader = _Loader()
    for name, content in items:
        loader.take(name, read_text(content))
    return loader.loaded()


def _files(given: Path, loader: "_Loader") -> Iterator[Path]:
    if given.is_dir():
        yield from _below(given, given.resolve(), loader)
    else:
        yield given


def _below(folder: Path, root: Path, loader: "_Loader") -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        loader.problems.append(Problem(str(folder), 1, "file", f"cannot be read: {error.strerror}"))
        return
    for entry in entries:
        file = folder / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_symlink():
            yield from _linked(file, root, loader)
        elif entry.is_dir():
            yield from _below(file, root, loader)
        elif entry.is_file() and _is_manifest(file):
            yield file


def _linked(file: Path, root: Path, loader: "_Loader") -> Iterator[Path]:
    """What a link leads to, if that is a file inside of the directory."""
    if file.is_dir():
        reason = "is a link to a directory: not followed"
    elif not _is_manifest(file):
        return
    elif not file.resolve().is_relative_to(root):
        reason = "is a link that leaves the directory: not followed"
    elif file.is_file():
        yield file
        return
    else:
        reason = "is a link to nothing that is there"
    loader.warnings.append(Problem(str(file), 1, "file", reason))


def _is_manifest(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES


class _Loader:
    """Collects what is found, text by text."""

    def __init__(self) -> None:
        self.policies: dict[str, Resource[Said]] = {}
        self.facts: dict[str, Resource[Fact]] = {}
        self.rbac: dict[str, Resource[RbacObject]] = {}
        self.places: dict[str, Place] = {}
        self.problems: list[Problem] = []
        self.rbac_problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.passed_over: Counter[str] = Counter()

    def loaded(self) -> Loaded:
        return Loaded(
            policies=tuple(self.policies[key] for key in sorted(self.policies)),
            facts=tuple(self.facts[key] for key in sorted(self.facts)),
            problems=tuple(self.problems),
            warnings=tuple(self.warnings),
            passed_over=self.passed_over,
            places=self.places,
            rbac=tuple(self.rbac[key] for key in sorted(self.rbac)),
            rbac_problems=tuple(self.rbac_problems),
        )

    def take(self, name: str, read: Read) -> None:
        for document in read.documents:
            items = list(_items(document))
            flaws = [_problem(name, flaw) for flaw in document.flaws]
            if any(_is_known(item.data) for item in items):
                self.problems += flaws
            elif any(_is_rbac(item.data) for item in items):
                self.rbac_problems += flaws
            for item in items:
                self.item(name, item)
        if read.error:
            self.problems.append(_problem(name, read.error))

    def item(self, name: str, value: Item) -> None:
        """One resource, or something that is none: an empty document, values of a chart, a policy hit."""
        data = value.data if isinstance(value.data, dict) else {}
        kind_name, api_version = data.get("kind"), data.get("apiVersion")
        if not isinstance(kind_name, str):
            self.passed_over.update(["(no kind)"] if value.data is not None else [])
        elif not isinstance(api_version, str):
            if _is_known(data):
                reason = f"required, but missing: say which {kind_name} this is"
                self.report(name, value, (("apiVersion",), reason))
            else:
                self.passed_over[kind_name] += 1
        elif kind := find(api_version, kind_name):
            self.resource(name, value, kind)
        else:
            if kind_name in RETIRED:
                reason = f"{kind_name} is retired and passed over: write a ClusterNetworkPolicy"
                self.warnings.append(Problem(name, value.line_of(("kind",)), "kind", reason))
            self.passed_over[f"{api_version} {kind_name}"] += 1

    def report(self, name: str, value: Item, finding: Finding, kind: Kind | None = None) -> None:
        problems = self.rbac_problems if kind and kind.role == "rbac" else self.problems
        problems.append(Place(name, value).problem(*finding))

    def resource(self, name: str, value: Item, kind: Kind) -> None:
        manifest, findings = checked(value.data, kind)
        for finding in findings:
            self.report(name, value, finding, kind)
        if findings or manifest is None:
            return
        namespace = (manifest.metadata.namespace or "default") if kind.namespaced else ""
        if kind.namespaced and not manifest.metadata.namespace:
            reason = "not given: taken as default"
            line = value.line_of(("metadata",))
            self.warnings.append(Problem(name, line, "metadata.namespace", reason))
        document = reduced(value.data, kind, namespace)
        key = resource_key(document)
        plain = kind.plain(manifest, namespace)
        if not isinstance(plain, Tier | Policy | NetworkSet | Role | Binding):
            self.facts[key] = Resource(key, document, plain)
        elif first := self.places.get(key):
            reason = f"{key} is already in {first.file}, line {first.item.line_of(())}"
            self.report(name, value, (("metadata", "name"), reason), kind)
        elif isinstance(plain, Role | Binding):
            self.rbac[key], self.places[key] = Resource(key, document, plain), Place(name, value)
        else:
            self.policies[key], self.places[key] = Resource(key, document, plain), Place(name, value)


def _problem(name: str, flaw: Flaw) -> Problem:
    return Problem(name, flaw.line, path(flaw.location) or "file", flaw.reason)


def _is_known(data: object) -> bool:
    return isinstance(data, dict) and "metadata" in data and known(data.get("kind"))


def _is_rbac(data: object) -> bool:
    if not isinstance(data, dict) or not isinstance(data.get("apiVersion"), str):
        return False
    kind = find(data["apiVersion"], str(data.get("kind")))
    return kind is not None and kind.role == "rbac"


def _items(value: Item) -> Iterator[Item]:
    """The document itself, or what it lists: a List of any kind, whose items may leave theirs out."""
    data = value.data
    if not isinstance(data, dict) or not str(data.get("kind")).endswith("List"):
        yield value
        return
    kind = str(data["kind"]).removesuffix("List")
    inherited = {"apiVersion": data.get("apiVersion"), "kind": kind} if kind else {}
    items = data.get("items")
    for index in range(len(items) if isinstance(items, list) else 0):
        item = value.part("items").part(index)
        if isinstance(item.data, dict):
            item.data = inherited | item.data
        yield from _items(item)

"""What people really publish loads, or is refused for the reason noted."""

import csv
import tarfile
from collections import defaultdict
from pathlib import Path
from re import match

from pipeline.policy.load import Loaded, load_texts

DATA = Path(__file__).parent / "data"
# Notes that say "invalid" of a manifest whose kind is not loaded, so that nobody looks inside.
PASSED_OVER = {
    "policies/tigera__docs/0234-RoleBinding-_USER_-default-namespace-and-tier-policy-cruder.yaml",
}
# The field that is wrong stands in the notes in another way.
NOTED_OTHERWISE = {"policies/tigera__docs/0235-NetworkPolicy-default.app-to-db.yaml": "apiVersion"}
# Refused although no note says so: Kubernetes' or Calico's API refuses each (the reasons are in README.md).
NOT_NOTED = {
    f"policies/{file}.yaml": field
    for file, field in [line.split() for line in (DATA / "refused_without_note.txt").read_text().splitlines()]
}


def _notes() -> dict[str, list[str]]:
    notes: dict[str, list[str]] = defaultdict(list)
    with (DATA / "notes.tsv").open(newline="") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if row["level"] == "invalid":
                notes[row["file"]].append(row["note"])
    return notes


def _manifests() -> dict[str, Loaded]:
    with tarfile.open(DATA / "policies.tar.gz") as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        contents = {member.name: archive.extractfile(member) for member in members}
        return {name: load_texts([(name, content.read())]) for name, content in contents.items() if content}


MANIFESTS = _manifests()
INVALID = _notes()


def _field(note: str) -> str:
    """The field that a note is about, as we name it."""
    if match(r"name '.*' not RFC1123", note):
        return "metadata.name"
    if unknown := match(r"unknown metadata field \['(.*)'\]", note):
        return f"metadata.{unknown[1]}"
    if note.startswith("api version"):
        return "apiVersion"
    if missing := match(r"([\w.]+) missing", note):
        return missing[1]
    field = match(r"[^\s:]+", note)
    assert field
    return field[0] if field[0].startswith("spec") else f"spec.{field[0]}"


def test_all_788_manifests_are_looked_at() -> None:
    with (DATA / "index.tsv").open(newline="") as lines:
        listed = {row["file"] for row in csv.DictReader(lines, delimiter="\t")}
    assert set(MANIFESTS) == listed
    assert len(listed) == 788


def test_what_is_noted_as_invalid_is_refused() -> None:
    taken = {name for name in INVALID if not MANIFESTS[name].problems}
    assert taken == PASSED_OVER


def test_the_refusal_names_the_field_that_is_noted() -> None:
    for name, notes in INVALID.items():
        if name in PASSED_OVER:
            continue
        fields = [problem.field for problem in MANIFESTS[name].problems]
        wanted = [NOTED_OTHERWISE.get(name) or _field(note) for note in notes]
        for field in wanted:
            related = [found for found in fields if found.startswith(field) or field.startswith(found)]
            assert related, (name, field, fields)


def test_all_others_load() -> None:
    refused = {
        name: loaded.problems[0].field
        for name, loaded in MANIFESTS.items()
        if loaded.problems and name not in INVALID
    }
    assert refused == NOT_NOTED


def test_a_manifest_that_is_wrong_gives_nothing_to_use() -> None:
    assert not [name for name, loaded in MANIFESTS.items() if loaded.problems and loaded.policies]


def test_every_problem_names_a_line_of_its_file() -> None:
    with tarfile.open(DATA / "policies.tar.gz") as archive:
        for name, loaded in MANIFESTS.items():
            if loaded.problems:
                content = archive.extractfile(name)
                assert content
                lines = len(content.read().splitlines())
                assert all(1 <= problem.line <= lines for problem in loaded.problems), name

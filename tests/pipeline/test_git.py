"""Manifests of git revisions, in real repositories."""

import subprocess
from pathlib import Path

import pytest

from agents.in_force import TopicsInForce
from pipeline.cli.sources import SourceError, read_source
from pipeline.git import GitError, commit_of, read_tree
from pipeline.policy.load import load_paths

TIER = "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {{name: {}}}\nspec: {{order: 1}}\n"


def git(where: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", "-C", str(where), *who, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """main holds tiers a and `ü b`, a hidden file, a text and links; branch `one` only the first."""
    folder = tmp_path / "repository"
    (folder / "policies" / "team").mkdir(parents=True)
    git(folder, "init")
    (folder / "policies" / "a.yaml").write_text(TIER.format("a"))
    git(folder, "add", ".")
    git(folder, "commit", "-m", "one")
    git(folder, "branch", "one")
    (folder / "policies" / "team" / "ü b.YML").write_text(TIER.format("b"))
    (folder / "policies" / ".hidden.yaml").write_text(TIER.format("hidden"))
    (folder / "policies" / "README.md").write_text("no manifest")
    (folder / "policies" / "out.yaml").symlink_to("/etc/hostname")
    (folder / "outside.yaml").write_text(TIER.format("outside"))
    git(folder, "add", ".")
    git(folder, "commit", "-m", "two")
    return folder


def names(files: tuple[tuple[str, bytes], ...]) -> list[str]:
    return [name for name, _ in files]


def test_a_revision_holds_what_its_directory_holds(repository: Path) -> None:
    tree = read_tree("main:policies", repository)
    assert names(tree.files) == ["main:policies/a.yaml", "main:policies/team/ü b.YML"]
    assert tree.links == ("main:policies/out.yaml",)
    assert tree.commit == commit_of(repository / "policies") == git(repository, "rev-parse", "main")
    from_files = load_paths([repository / "policies"])
    assert [each.key for each in from_files.policies] == ["Tier//a", "Tier//b"]


def test_an_older_revision_is_read_without_touching_the_work_tree(repository: Path) -> None:
    (repository / "policies" / "a.yaml").write_text("changed: and not committed")
    tree = read_tree("one:policies/", repository)
    assert tree.files == (("one:policies/a.yaml", TIER.format("a").encode()),)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("main:", ["main:outside.yaml", "main:policies/a.yaml", "main:policies/team/ü b.YML"]),
        ("main:./", ["main:./outside.yaml", "main:./policies/a.yaml", "main:./policies/team/ü b.YML"]),
        ("main:policies/team", ["main:policies/team/ü b.YML"]),
        ("main:policies/a.yaml", ["main:policies/a.yaml"]),
        ("main~1:policies", ["main~1:policies/a.yaml"]),
    ],
)
def test_paths_are_from_the_top_of_the_repository(repository: Path, text: str, found: list[str]) -> None:
    assert names(read_tree(text, repository).files) == found


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nowhere:policies", "git knows no revision 'nowhere'"),
        ("main:policy", "main:policy: git revision main has no path policy"),
        ("--output=/tmp/x:policies", "git knows no revision '--output=/tmp/x'"),
        (":policies", "git knows no revision ''"),
    ],
)
def test_what_is_not_there_is_named(repository: Path, text: str, reason: str) -> None:
    with pytest.raises(GitError) as error:
        read_tree(text, repository)
    assert str(error.value) == reason


def test_a_shallow_clone_says_how_to_get_the_rest(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--depth", "1", repository.as_uri(), str(clone))
    assert read_tree("HEAD:policies", clone).files
    with pytest.raises(GitError, match="git fetch --unshallow"):
        read_tree("HEAD~1:policies", clone)


def test_outside_of_git_is_said(tmp_path: Path) -> None:
    assert commit_of(tmp_path) is None
    with pytest.raises(GitError, match="is in no git repository"):
        read_tree("main:policies", tmp_path)


def test_sources_are_directories_files_and_revisions(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    given = ("policies", "policies/a.yaml", "main:policies")
    directory, file, revision = (read_source(text, TopicsInForce()) for text in given)
    assert directory.policies == revision.policies
    assert [each.key for each in file.loaded.policies] == ["Tier//a"]
    assert [warning.reason for warning in revision.loaded.warnings] == [
        "is a link or a submodule: not followed"
    ]
    with pytest.raises(SourceError, match="policy: there is no such directory or file"):
        read_source("policy", TopicsInForce())

"""`flowtier publish` from directories and git revisions: who and which commit, and what would change."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.agents.installation import ALLOW_ALL, STAGED_DENY, Installation
from tests.pipeline.test_git import git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Branch main holds ALLOW_ALL and STAGED_DENY in policies/, branch `one` only ALLOW_ALL."""
    folder = tmp_path / "repository"
    (folder / "policies").mkdir(parents=True)
    git(folder, "init")
    (folder / "policies" / "all.yaml").write_text(ALLOW_ALL)
    git(folder, "add", ".")
    git(folder, "commit", "-m", "one")
    git(folder, "branch", "one")
    (folder / "policies" / "none.yaml").write_text(STAGED_DENY)
    git(folder, "add", ".")
    git(folder, "commit", "-m", "two")
    return folder


def published(installation: Installation, where: Path, *arguments: str) -> Any:
    done = installation.run("publish", "--json", *arguments, cwd=where)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_revision_is_published_with_who_and_which_commit_and_owned_as_its_directory(
    installation, repository
) -> None:
    first = published(installation, repository, "one:policies", "--by", "deploy-bot")["revision"]
    assert first["commit"] == git(repository, "rev-parse", "one")
    assert (first["by"], first["author"]) == ("deploy-bot", "Ann <ann@example.org>")
    second = published(installation, repository, "policies", "--dry-run")
    assert second["revision"]["source"] == first["source"]
    assert second["revision"]["commit"] == git(repository, "rev-parse", "main")
    assert second["changes"]["new"] == ["StagedGlobalNetworkPolicy//none"]
    assert not second["written"]
    status = installation.run("status").stdout
    assert (
        f"Revision {first['revision']} (1 resources) from {first['source']}, commit {first['commit']}"
        in status
    )
    assert "of Ann <ann@example.org>, published by deploy-bot at 20" in status
    told = json.loads(installation.run("status", "--json").stdout)
    assert (told["revision"], told["problem"], told["workers"]) == (first, None, [])


def test_a_dry_run_names_what_is_new_changed_and_removed_and_writes_nothing(installation, repository) -> None:
    published(installation, repository, "main:policies")
    before = installation.records(installation.topics.policies.name)
    (repository / "policies" / "none.yaml").write_text(STAGED_DENY.replace("order: 0", "order: 5"))
    (repository / "policies" / "all.yaml").rename(repository / "all.yaml")
    (repository / "policies" / "new.yaml").write_text(ALLOW_ALL.replace("name: all", "name: every"))
    done = installation.run("publish", "policies", "--dry-run", cwd=repository)
    assert done.returncode == 0, done.stderr
    assert "-dirty" in done.stdout
    assert [line.split()[1:4:2] for line in done.stdout.splitlines() if line.startswith("│")] == [
        ["+", "GlobalNetworkPolicy//every"],
        ["~", "StagedGlobalNetworkPolicy//none"],
        ["-", "GlobalNetworkPolicy//all"],
    ]
    assert "spec.order" in done.stdout
    assert len(installation.records(installation.topics.policies.name)) == len(before)


def test_a_dry_run_before_any_publish_makes_no_topics(kafka, elasticsearch, unique, tmp_path) -> None:
    bare = Installation(kafka, elasticsearch, unique, tmp_path)
    (tmp_path / "all.yaml").write_text(ALLOW_ALL)
    told = published(bare, tmp_path, str(tmp_path / "all.yaml"), "--dry-run", "--facts")
    assert told["changes"] == {"new": ["GlobalNetworkPolicy//all"], "changed": [], "removed": []}
    assert told["revision"]["commit"] is None
    assert "No policies have been published yet" in bare.run("status").stdout
    bare.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["cluster"], "those are in force already"),
        (["nowhere"], "there is no such directory or file"),
        (["HEAD~9:policies"], "git knows no revision 'HEAD~9'"),
        (["one:policies", "--dry-run"], "published from 'them', not from 'us'.*--takeover"),
    ],
)
def test_a_mistake_is_one_sentence_and_nothing_is_written(installation, repository, arguments, words) -> None:
    first = published(installation, repository, "main:policies", "--source", "them")["revision"]
    done = installation.run("publish", *arguments, "--source", "us", cwd=repository)
    assert done.returncode == 2
    assert re.search(words, done.stderr)
    assert done.stderr.startswith("flowtier: ")
    assert len(done.stderr.splitlines()) == 1
    assert first["revision"] in installation.run("status").stdout

"""The README's walk through one change, from what was seen to what is enforced, as it is typed."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.demo.generate import HOURS, INTERVAL, Sample, window_until, write_sample
from tests.agents.installation import Installation
from tests.deploy.gitops import REPOSITORY
from tests.pipeline.test_git import git

END = datetime(2026, 1, 13, 2, tzinfo=UTC)
LEARNED = "calico/teams/team-atlas/web-learned.yaml"
POLICY = "snp:team-atlas/web-learned"


class Walk:
    """Somebody in a clone of the policy repository, beside flows and facts of the sample cluster."""

    def __init__(self, installation: Installation, folder: Path, sample: Sample) -> None:
        self._installation = installation
        self.repository = folder / "repository"
        shutil.copytree(REPOSITORY, self.repository)
        self.facts, self.flows = str(sample.facts), str(sample.flow_log)
        self.git("init")
        self.commit("Policies of the cluster")

    def git(self, *arguments: str) -> str:
        return git(self.repository, *arguments)

    def commit(self, message: str) -> str:
        self.git("add", ".")
        self.git("commit", "-m", message)
        return self.git("rev-parse", "HEAD")

    def flowtier(self, *arguments: str, code: int = 0) -> str:
        done = self._installation.run(*arguments, cwd=self.repository)
        assert done.returncode == code, done.stderr + done.stdout
        return done.stdout

    def whatif(self, *arguments: str) -> str:
        return self.flowtier("whatif", *arguments, self.flows, "--facts", self.facts)

    def verdicts(self) -> list[dict[str, Any]]:
        lines = self.flowtier("judge", self.flows, "--policies", "calico", "--policies", self.facts)
        return [json.loads(line)["verdict"] for line in lines.splitlines()]


@pytest.fixture
def walk(installation: Installation, tmp_path: Path) -> Walk:
    """A repository with the sample's policies on branch main, nothing published."""
    (tmp_path / "sample").mkdir()
    sample = write_sample(tmp_path / "sample", window_until(END, HOURS, INTERVAL), 12_000, 1)
    return Walk(installation, tmp_path, sample)


def test_a_change_goes_from_a_recommendation_to_an_enforced_policy(walk) -> None:
    first = walk.git("rev-parse", "HEAD")
    published = walk.flowtier("publish", "main:calico", "--by", "ci", "--source", "policies", "--json")
    assert json.loads(published)["revision"]["commit"] == first

    walk.git("switch", "-q", "-c", "learn-web")
    recommended = ("--policies", "calico", "--policies", walk.facts, "--namespace", "team-atlas")
    options = ("--tier", "application", "--no-domains", "--out", "calico/teams")
    walk.flowtier("recommend", walk.flows, *recommended, *options)
    learned = walk.commit("What team-atlas was seen to do, staged")
    walk.flowtier("check", "calico", "--facts", walk.facts)
    assert "nothing would have changed" in walk.whatif("main:calico", "learn-web:calico", "--markdown")
    assert "nothing would have changed" in walk.whatif("learn-web:calico", "--promote", POLICY)

    walk.git("switch", "-q", "main")
    walk.git("merge", "-q", "learn-web")
    told = json.loads(walk.flowtier("publish", "main:calico", "--source", "policies", "--dry-run", "--json"))
    assert "StagedNetworkPolicy/team-atlas/web-learned" in told["changes"]["new"]
    assert not told["changes"]["changed"] + told["changes"]["removed"]
    walk.flowtier("publish", "main:calico", "--by", "ci", "--source", "policies")
    assert f"commit {learned} of Ann <ann@example.org>, published by ci" in walk.flowtier("status")

    promoted = [verdict["promoted"]["action"] for verdict in walk.verdicts()]
    assert {"allow", "deny"} <= set(promoted)
    walk.git("switch", "-q", "-c", "enforce-web")
    assert POLICY in walk.flowtier("enforce", POLICY, "--in", "calico")
    assert walk.git("diff", "--name-only") == LEARNED
    assert walk.git("diff", "--numstat").split()[:2] == ["1", "1"]
    walk.commit("web-learned is enforced")
    walk.whatif("main:calico", "calico", "--max-newly-denied", "0")
    walk.flowtier("check", "calico", "--facts", walk.facts)

    walk.flowtier("enforce", "--all", "--in", "calico")
    assert [verdict["enforced"]["action"] for verdict in walk.verdicts()] == promoted

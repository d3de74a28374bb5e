"""Every manifest that the project writes is one that the real API takes, down to the last field."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from deploy.demo.generate import POLICIES
from deploy.local.errors import StackError
from pipeline.cli.enforce import enforce
from tests.agents.installation import ROOT
from tests.kubernetes.objects import namespace

CASES = ROOT / "tests" / "cases"
# What only the APIs of other tools serve.
ELSEWHERE = ("kustomize", "toolkit.fluxcd.io", "argoproj.io")

type Manifest = dict[str, Any]
type Take = Callable[[list[Manifest]], None]


def manifests(*places: Path) -> list[Manifest]:
    """Those in files and directories, and in their lists, without what is for other tools."""
    files = [
        file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*.yaml")))
    ]
    found = [
        each for file in files for each in yaml.safe_load_all(file.read_text()) if each and "kind" in each
    ]
    items = [item for each in found for item in (each["items"] if each["kind"] == "List" else [each])]
    return [each for each in items if not any(name in each["apiVersion"] for name in ELSEWHERE)]


def without_domains(manifest: Manifest) -> Manifest:
    """Without the rules that name domains, which Calico Enterprise alone knows (CALICO.md §3)."""
    spec = manifest["spec"]
    rules = [rule for rule in spec.get("egress", []) if "domains" not in rule.get("destination", {})]
    return manifest | {"spec": spec | ({"egress": rules} if "egress" in spec else {})}


def sample(directory: Path) -> list[Manifest]:
    """The policies of the sample cluster, where they are now."""
    return [without_domains(each) for each in manifests(directory)]


def named(manifest: Manifest) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


@pytest.fixture
def take(shared) -> Take:
    """Gives manifests to the API, which takes them in earnest and forgets them; their namespaces are made."""

    def given(items: list[Manifest]) -> None:
        assert items
        spaces = {each["metadata"]["namespace"] for each in items if "namespace" in each["metadata"]}
        if spaces:
            shared.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(map(namespace, sorted(spaces))))
        said = shared.kubectl(
            *("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"),
            given=yaml.safe_dump_all(items),
        )
        assert len(said.splitlines()) == len(items)

    return given


def test_policies_of_the_sample_cluster(take) -> None:
    take(sample(POLICIES))


def test_recommendations(take) -> None:
    take(manifests(*(CASES / "recommend").glob("*/proposed.yaml")))


def test_policies_that_were_enforced(take) -> None:
    written = [case for case in (CASES / "enforce").iterdir() if contents(case, 0) != contents(case, 1)]
    assert len(written) > 8
    take(manifests(*(case / "after" for case in written)))


def contents(case: Path, after: int) -> dict[str, bytes]:
    directory = case / ("before", "after")[after]
    files = (file for file in directory.rglob("*") if file.is_file())
    return {str(file.relative_to(directory)): file.read_bytes() for file in files}


def test_the_staged_policies_of_the_sample_cluster_once_enforced(take, tmp_path) -> None:
    enforced = tmp_path / "policies"
    shutil.copytree(POLICIES, enforced)
    done = CliRunner().invoke(enforce, ["--all", "--in", str(enforced)])
    assert done.exit_code == 0, done.output
    assert {named(each) for each in manifests(enforced)} < {named(each) for each in manifests(POLICIES)} | {
        named(each).removeprefix("Staged") for each in manifests(POLICIES)
    }
    take(sample(enforced))


def test_the_sample_repository(take) -> None:
    take(manifests(ROOT / "deploy" / "gitops" / "repository" / "calico"))


def test_the_publisher(take) -> None:
    take(manifests(ROOT / "deploy" / "kubernetes"))


def test_a_field_that_is_none_is_refused(take) -> None:
    """Else nothing above would say anything."""
    (first, *_) = (each for each in manifests(POLICIES) if each["kind"] == "GlobalNetworkPolicy")
    with pytest.raises(StackError, match="ordr"):
        take([first | {"spec": first["spec"] | {"ordr": 1}}])

"""deploy/gitops is what the tools take: their own schemas accept it, and all that it refers to is there."""

import json
import re
import shlex
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml
from click.testing import CliRunner

from agents.cli import group
from agents.in_force import TopicsInForce
from pipeline.cli.can_i import can_i
from pipeline.cli.check import check
from pipeline.policy.load import load_paths
from pipeline.policy.policies import Policy, Tier
from pipeline.policy.revision import to_policies
from tests.deploy.gitops import CALICO, GITOPS, REPOSITORY, SCHEMAS, crd_schema, documents

WORKFLOW = REPOSITORY / ".github" / "workflows" / "policies.yaml"
PIPELINE = REPOSITORY / ".gitlab-ci.yml"
HOOKS = REPOSITORY / ".pre-commit-config.yaml"
TOOLS = documents(*sorted(GITOPS.glob("flux/*.yaml")), *sorted(GITOPS.glob("argocd/*.yaml")))
FLUX = {each["metadata"]["name"]: each for each in TOOLS if each["apiVersion"].startswith("kustomize.")}


@pytest.mark.parametrize("document", TOOLS, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_flux_and_argo_cds_own_crds_accept_what_is_theirs(document) -> None:
    jsonschema.Draft7Validator(crd_schema(document)).validate(document)


def test_a_crd_refuses_what_is_wrong() -> None:
    document = FLUX["policy-tiers"]
    for wrong in ({"prune": "yes"}, {"prunes": True}, {"interval": "often"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft7Validator(crd_schema(document)).validate(
                document | {"spec": document["spec"] | wrong}
            )


@pytest.mark.parametrize(
    ("file", "schema"), [(WORKFLOW, "github-workflows.json"), (PIPELINE, "gitlab-ci.json")], ids=str
)
def test_the_workflows_are_what_github_and_gitlab_take(file, schema) -> None:
    jsonschema.Draft7Validator(json.loads((SCHEMAS / schema).read_text())).validate(read(file))


def read(file: Path) -> Any:
    """A file of CI; YAML 1.1 takes the key `on` for a truth."""
    return {"on" if key is True else key: value for key, value in yaml.safe_load(file.read_text()).items()}


def scripts() -> list[str]:
    """Every line of shell that the workflow, the job and the hook run."""
    steps = [step["run"] for job in read(WORKFLOW)["jobs"].values() for step in job["steps"] if "run" in step]
    jobs = [job for name, job in read(PIPELINE).items() if name != "stages"]
    lines = [line for job in jobs for part in ("script", "after_script") for line in job.get(part, ())]
    hooks = [hook["entry"] for repo in read(HOOKS)["repos"] for hook in repo["hooks"]]
    return [*steps, *lines, *hooks]


FLOWTIER = [found for line in scripts() for found in re.findall(r"\bflowtier .*", line)]


@pytest.mark.parametrize("line", FLOWTIER)
def test_a_command_that_ci_runs_is_there_with_its_options(line) -> None:
    _, name, *arguments = shlex.split(line.partition(" > ")[0].replace("$", ""))
    command = group.get_command(click.Context(group), name)
    assert command
    with click.Context(command) as context:
        command.parse_args(context, arguments)  # raises click's UsageError


def test_ci_checks_and_asks_what_if_on_both_and_posts_the_markdown() -> None:
    for file in (WORKFLOW, PIPELINE):
        text = file.read_text()
        assert "flowtier check calico --facts cluster" in text
        assert re.search(r'flowtier check calico --as "\$[A-Z_]+" --base "', text)
        assert re.search(r"flowtier whatif .* > whatif\.md", text)
        assert re.search(r"(--body-file |body@)whatif\.md", text)


def test_the_hook_runs_where_a_manifest_changes() -> None:
    (hook,) = (hook for repo in read(HOOKS)["repos"] for hook in repo["hooks"])
    names = [str(file.relative_to(REPOSITORY)) for file in CALICO.rglob("*.yaml")]
    assert names
    assert all(re.search(hook["files"], name) for name in names)
    assert not re.search(hook["files"], "CODEOWNERS")


def test_the_sample_loads_without_a_warning_and_check_finds_nothing() -> None:
    loaded = load_paths([CALICO])
    assert (loaded.problems, loaded.warnings) == ((), ())
    assert not loaded.passed_over
    done = CliRunner().invoke(check, [str(CALICO), "--strict"], obj=TopicsInForce())
    assert (done.exit_code, done.output.splitlines()[1:]) == (0, [])


def test_argo_cd_brings_tiers_before_all_else() -> None:
    waves: dict[str, set[int]] = {}
    for each in documents(*CALICO.rglob("*.yaml")):
        wave = (each["metadata"].get("annotations") or {}).get("argocd.argoproj.io/sync-wave", "0")
        waves.setdefault(each["kind"], set()).add(int(wave))
    assert waves.pop("Tier") == {-1}
    assert set().union(*waves.values()) == {0}


def test_nothing_hides_a_manifest_from_flux_and_argo_cd() -> None:
    assert not list(CALICO.rglob("[kK]ustomization*"))


def test_flux_puts_tiers_before_policies_and_prunes() -> None:
    holding = {name: kinds(each) for name, each in FLUX.items()}
    (tiers,) = (name for name, found in holding.items() if "Tier" in found)
    for name, each in FLUX.items():
        assert each["spec"]["prune"]
        if "Policy" in holding[name]:
            assert tiers in before(name)
    assert set().union(*holding.values()) >= {"Tier", "Policy"}


def kinds(kustomization: dict[str, Any]) -> set[str]:
    """What Flux finds below the path: Tier, Policy, or nothing of that."""
    folder = REPOSITORY / kustomization["spec"]["path"]
    assert folder.is_dir()
    plain = [resource.plain for resource in load_paths([folder]).policies]
    return {type(each).__name__ for each in plain if isinstance(each, Tier | Policy)}


def before(name: str) -> set[str]:
    """What a Kustomization depends on, and that on in turn; all of it is there, and nothing in a circle."""
    found = {each["name"] for each in FLUX[name]["spec"].get("dependsOn", ())}
    for each in tuple(found):
        found |= before(each)
    assert name not in found
    return found


def test_flux_and_argo_cd_read_a_source_that_is_there_and_act_by_rights_that_are() -> None:
    sources = {each["metadata"]["name"]: each for each in TOOLS if each["kind"] == "GitRepository"}
    accounts = {
        each["metadata"]["name"]
        for each in documents(CALICO / "rbac" / "deployer.yaml")
        if each["kind"] == "ServiceAccount"
    }
    for each in FLUX.values():
        assert each["spec"]["sourceRef"]["name"] in sources
        assert each["spec"].get("serviceAccountName", *accounts) in accounts
    (application,) = (each for each in TOOLS if each["kind"] == "Application")
    assert REPOSITORY / application["spec"]["source"]["path"] == CALICO
    assert application["spec"]["source"]["directory"]["recurse"]
    assert application["spec"]["source"]["repoURL"] == sources["network-policies"]["spec"]["url"]
    assert application["spec"]["syncPolicy"]["automated"]["prune"]


def test_every_folder_has_an_owner_and_every_owner_a_folder() -> None:
    lines = [line.split() for line in (REPOSITORY / "CODEOWNERS").read_text().splitlines() if line[:1] != "#"]
    patterns = [pattern for pattern, owner in lines]
    assert patterns[0] == "*"
    for pattern in patterns[1:]:
        assert (REPOSITORY / pattern.strip("/")).is_dir()
    for team in (CALICO / "teams").iterdir():
        if team.is_dir():
            assert any(fnmatch(f"/calico/teams/{team.name}/", pattern) for pattern in patterns[1:])


ALLOWED = [
    ("update", "np:online-boutique/redis-cart", "online-boutique", 0),
    ("update", "np:online-boutique/redis-cart", "team-atlas", 1),
    ("update", "snp:online-boutique/redis-cart", "online-boutique", 0),
    ("update", "gnp:quarantine", "security", 0),
    ("update", "gnp:quarantine", "platform", 1),
    ("delete", "gnp:quarantine", "online-boutique", 1),
    ("patch", "gnp:allow-dns", "platform", 0),
    ("update", "knp:team-atlas/web", "team-atlas", 0),
]


@pytest.mark.parametrize(("verb", "policy", "group", "code"), ALLOWED)
def test_a_group_may_change_its_own_tier_and_namespaces_only(verb, policy, group, code) -> None:
    asked = [verb, policy, "--as", "ann", "--group", group, "--rbac", str(CALICO)]
    assert CliRunner().invoke(can_i, asked, obj=TopicsInForce()).exit_code == code


def test_the_deployer_may_do_with_every_policy_what_a_sync_does() -> None:
    account = "system:serviceaccount:flux-system:policy-deployer"
    for policy in to_policies(load_paths([CALICO])).policies:
        for verb in ("get", "create", "patch", "delete"):
            asked = [verb, str(policy.key), "--as", account, "--rbac", str(CALICO)]
            done = CliRunner().invoke(can_i, asked, obj=TopicsInForce())
            assert done.exit_code == 0, (policy.key, verb, done.output)

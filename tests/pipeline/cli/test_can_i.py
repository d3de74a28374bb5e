"""`flowtier can-i`: what it prints, its exit codes, and what is told of mistakes."""

import subprocess
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from pipeline.cli.can_i import can_i
from pipeline.cli.can_i_report import CanI, Matrix
from pipeline.user_error import UserError

MANIFESTS = str(Path(__file__).parents[2] / "cases" / "rbac" / "tiers" / "manifests.yaml")
DEVELOPER = ["--as", "ann", "--group", "shop-developers"]


def run(*arguments: str, rbac: str = MANIFESTS) -> Result:
    return CliRunner(env={"COLUMNS": "140"}).invoke(can_i, [*arguments, "--rbac", rbac])


def test_yes_says_by_which_binding_role_and_rule_and_where_it_is_written() -> None:
    done = run("update", "np:shop/frontend", *DEVELOPER)
    assert done.exit_code == 0
    first, *granted = done.stdout.splitlines()
    assert first == "yes: ann may update np:shop/frontend in tier apps"
    assert len(granted) == 3
    assert granted[2] == (
        '  + update tier.networkpolicies.projectcalico.org named "frontend" or named "apps.*" in namespace'
        f" shop: by RoleBinding shop/developers, rule 1 of ClusterRole edit-apps ({MANIFESTS}:68)"
    )


def test_no_says_what_is_missing_and_what_only_seems_to_grant_it() -> None:
    done = run("create", "np:shop/frontend", "--as", "fred")
    assert done.exit_code == 1
    first, *_, missing, in_vain = done.stdout.splitlines()
    assert first == "no: fred may not create np:shop/frontend in tier apps"
    assert missing == (
        '  - create tier.networkpolicies.projectcalico.org of any name or named "apps.*" in namespace shop'
        ": nothing grants it"
    )
    assert in_vain == (
        "      not RoleBinding shop/frontend, rule 1 of ClusterRole edit-frontend-alone"
        f" ({MANIFESTS}:85): it names policies, and a create has no name"
    )
    assert done.stderr == (
        "warning: RoleBinding shop/role-that-is-nowhere grants nothing: Role shop/nowhere is not among the"
        " manifests\n"
    )


def test_a_move_names_both_tiers() -> None:
    done = run("patch", "np:shop/frontend", "--to-tier", "security", *DEVELOPER)
    assert done.stdout.startswith("no: ann may not patch np:shop/frontend from tier apps to tier security\n")


def test_the_masters_need_no_manifest() -> None:
    done = run("delete", "gnp:guardrail", "--as", "x", "--group", "system:masters")
    assert 'named "guardrail": by the group system:masters' in done.stdout


def test_the_list_shows_one_user_or_everybody() -> None:
    everybody = msgspec.json.decode(run("--list", "--json").stdout_bytes, type=Matrix)
    assert {row.who for row in everybody.rows} == {
        "fred",
        "group security",
        "group shop-developers",
        "olga",
        "system:serviceaccount:flux-system:flux",
    }
    fred = msgspec.json.decode(run("--list", "--as", "fred", "--json").stdout_bytes, type=Matrix)
    assert fred.rows == tuple(row for row in everybody.rows if row.who == "fred")
    assert [(row.kind, row.tier, row.namespace, row.name, row.verbs) for row in fred.rows] == [
        ("Tier", "", "", "apps", ("get",)),
        ("NetworkPolicy", "apps", "shop", "frontend", ("get", "update", "patch", "delete")),
    ]
    assert "…" not in run("--list").stdout
    shown = run("--list", "--as", "sam", "--group", "security").stdout
    assert "│ sam │ Tier               │ -        │ *         │ *    │ get, list, watch │" in shown
    assert "│     │ gnp, np, sgnp, snp │ security │ *         │ *    │ all              │" in shown
    assert run("--list", "--as", "stranger").stdout == "nothing is allowed\n"


def test_a_policy_is_looked_up_and_rbac_read_in_a_git_revision(tmp_path, monkeypatch) -> None:
    (tmp_path / "rbac.yaml").write_text(Path(MANIFESTS).read_text())
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        who = ["-c", "user.name=n", "-c", "user.email=e"]
        subprocess.run(["git", *who, *command], cwd=tmp_path, check=True)
    (tmp_path / "rbac.yaml").unlink()
    monkeypatch.chdir(tmp_path)
    done = run("update", "np:shop/frontend", "--json", *DEVELOPER, rbac="HEAD:")
    report = msgspec.json.decode(done.stdout_bytes, type=CanI)
    assert report.allowed
    assert report.permissions[0].granted_by
    assert report.permissions[0].granted_by.place == "HEAD:rbac.yaml:27"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["update", "np:shop/frontend"], "--as USER"),
        (["update", "--as", "ann"], "VERB and POLICY, or --list"),
        (["--as", "ann"], "VERB and POLICY, or --list"),
        (["apply", "np:shop/frontend", "--as", "ann"], "'apply' is not one of"),
        (["update", "shop/frontend", "--as", "ann"], "'shop/frontend' names no policy; write it as traces"),
        (["update", "xyz:shop/frontend", "--as", "ann"], "names no policy"),
        (["update", "np:frontend", "--as", "ann"], "np is of a namespace: np:NAMESPACE/NAME"),
        (["update", "gnp:shop/x", "--as", "ann"], "gnp has no namespace"),
        (["update", "np:shop/", "--as", "ann"], "has no name, and update needs one"),
        (["create", "np:shop/new", "--as", "ann"], "np:shop/new is not among the manifests: say --tier"),
        (["get", "knp:shop/x", "--as", "ann", "--tier", "default"], "knp is of no tier that RBAC knows"),
        (
            ["get", "np:shop/frontend", "--as", "ann", "--to-tier", "x"],
            "--to-tier goes with update and patch",
        ),
        (["--list", "get", "np:shop/x"], "--list asks for everything"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(arguments, says) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert says in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no such directory or file"),
        ("kind: x", "holds no role and no binding"),
        (
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r}\nrules: 1",
            "rules: must be a",
        ),
        ("apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: [", "rbac.yaml:4:"),
        ("apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: a}\nspec: {}", "holds no role"),
    ],
)
def test_rbac_that_cannot_be_used_is_a_mistake(content, says, tmp_path) -> None:
    if content:
        (tmp_path / "rbac.yaml").write_text(content)
    done = run("get", "np:shop/x", "--as", "ann", rbac=str(tmp_path / "rbac.yaml"))
    assert isinstance(done.exception, UserError)
    assert says in str(done.exception)


def test_what_is_published_has_no_rbac() -> None:
    done = run("get", "np:shop/x", "--as", "ann", rbac="cluster")
    assert isinstance(done.exception, UserError)
    assert "no RBAC is published" in str(done.exception)

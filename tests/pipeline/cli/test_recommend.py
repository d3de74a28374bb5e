"""`flowtier recommend`: what it prints, writes and says of mistakes."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from pipeline.cli.recommend import recommend
from tests.pipeline.recommend.learning import flow, lines

WEB = "shop/web-learned"


@pytest.fixture
def log(tmp_path) -> Path:
    file = tmp_path / "flows.log"
    file.write_text(lines(flow("shop/web", "shop/cart", 7070, hour) for hour in range(3)))
    return file


def run(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(recommend, [str(each) for each in arguments])


def test_the_table_names_each_policy_and_how_far_it_is_to_be_trusted(log) -> None:
    done = run(log)
    assert done.exit_code == 0
    assert "Namespace shop" in done.stdout
    assert "web-learned" in done.stdout
    assert "Learning" in done.stdout


def test_everything_about_one_policy_is_told_by_any_of_its_names(log) -> None:
    for name in ("web-learned", WEB, f"snp:{WEB}"):
        done = run(log, "--policy", name)
        assert done.stdout.startswith("apiVersion: projectcalico.org/v3\n")
        assert "Allow tcp/7070 to workload shop/cart" in done.stdout
    done = run(log, "--policy", "nobody")
    assert (done.exit_code, "no policy nobody is recommended" in done.stderr) == (1, True)


def test_yaml_and_json_are_for_programs(log) -> None:
    (manifest,) = yaml.safe_load_all(run(log, "--yaml").stdout)
    (told,) = map(json.loads, run(log, "--json").stdout.splitlines())
    assert told["manifest"] == manifest
    assert told["name"] == f"snp:{WEB}"
    assert run(log, "--namespace", "none", "--json").stdout == ""


def test_a_directory_is_written_once_and_what_people_changed_in_it_stays(log, tmp_path) -> None:
    out = tmp_path / "policies"
    assert "created" in run(log, "--out", out).stderr
    file = out / f"{WEB}.yaml"
    edited = file.read_text().replace("spec:\n", "spec: # ours\n")
    file.write_text(edited)
    assert run(log, "--out", out).exit_code == 0
    assert file.read_text() == edited


def test_where_nothing_is_recommended_it_says_why_and_leaves_the_directory(log, tmp_path) -> None:
    out = tmp_path / "policies"
    run(log, "--out", out)
    log.write_text("")
    done = run(log, "--out", out)
    assert (done.exit_code, "Nothing is recommended" in done.stdout) == (0, True)
    assert (out / f"{WEB}.yaml").exists()


def test_lines_that_are_no_flows_are_named_by_their_numbers_and_the_others_teach(log) -> None:
    good = log.read_text().splitlines()
    log.write_text("\n".join([good[0], "", good[1], "not a flow", *good[2:]]))
    done = run(log)
    assert done.exit_code == 1
    assert f"{log}:4: " in done.stderr
    assert "web-learned" in done.stdout


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    done = run(tmp_path / "missing.log")
    assert done.exit_code == 1
    assert "missing.log: No such file" in done.stderr
    assert "Traceback" not in done.stderr

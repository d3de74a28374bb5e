"""Very many files say the same whoever reads them, whatever is wrong with some of them."""

import multiprocessing
from pathlib import Path

import pytest

from pipeline.policy import read
from pipeline.policy.load import load_paths

TIER = "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: t-%d}\nspec: {order: %d}\n"
COUNT = 600
WRONG = {
    7: "a: [",  # no YAML
    8: TIER % (8, 8) + "---\nb: *b\n",  # no YAML after a good document
    70: TIER % (70, 70) + "spec: {}\n",  # a duplicate key: lines are read with all care
    71: '{"apiVersion": "projectcalico.org/v3",\n "kind": "Tier", "metadata": {"name": "A"}}',  # JSON
    72: TIER % (1, 72),  # there twice
    400: "#" * (read.USUAL_BYTES * 2) + "\n" + TIER % (400, -2),
}


@pytest.fixture
def folder(tmp_path) -> Path:
    for number in range(COUNT):
        (tmp_path / f"{number:04}.yaml").write_text(WRONG.get(number, TIER % (number, number)))
    (tmp_path / "0500.yaml").unlink()
    (tmp_path / "0500.yaml").symlink_to("0501.yaml")
    return tmp_path


def several(monkeypatch) -> None:
    monkeypatch.setattr(read, "MANY", 10)
    monkeypatch.setattr("os.cpu_count", lambda: 3)


def test_files_say_the_same_whoever_reads_them(folder, monkeypatch):
    alone = load_paths([folder])
    assert "Tier//t-8" in {resource.key for resource in alone.policies}  # before what is no YAML
    several(monkeypatch)
    assert load_paths([folder]) == alone
    assert len(alone.problems) >= 6
    assert {problem.line for problem in alone.problems} > {1, 2, 5}


def test_a_file_that_is_away_or_too_large_is_told_and_the_others_are_read(folder, monkeypatch):
    several(monkeypatch)
    monkeypatch.setattr(read, "MAX_BYTES", read.USUAL_BYTES)  # of this process; the others have their own
    (folder / "0003.yaml").unlink()
    files = [folder / f"{number:04}.yaml" for number in range(COUNT)]
    found = list(read.read_files(files))
    assert [each.error and each.error.reason for each in found[:5]] == [
        *(None, None, None),
        *("cannot be read: No such file or directory", None),
    ]
    monkeypatch.setattr(read, "MANY", COUNT + 1)
    assert "is larger than 0 MiB" in str(list(read.read_files(files))[400].error)


def test_where_a_helper_dies_its_files_are_read_here(folder, monkeypatch):
    several(monkeypatch)
    monkeypatch.setattr(read, "AT_ONCE", 1)
    files = sorted(folder.iterdir())
    reading = read.read_files(files)
    found = [next(reading)]
    for helper in multiprocessing.active_children():
        helper.kill()
    found += reading
    monkeypatch.setattr(read, "MANY", COUNT + 1)
    assert [repr(each) for each in found] == [repr(each) for each in read.read_files(files)]

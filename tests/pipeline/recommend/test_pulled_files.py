"""Where `pull` writes, and how: never a byte outside of its directory, and never half of a file."""

import copy
import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.recommend.pulled_files import PulledFiles
from pipeline.recommend.render import to_yaml
from tests.pipeline.recommend.pulling import (
    BASE,
    FILE,
    IN_CONFLICT,
    PROPOSAL,
    Directory,
    policy,
    pulled_once,
)


@pytest.fixture
def directory(tmp_path) -> Directory:
    return pulled_once(tmp_path / "policies")


EVIL = [
    "..",
    ".",
    "",
    "../x",
    "a/b",
    "/etc",
    "a\0b",
    "A",
    ".flowtier",
    "a..b",
    "x" * 254,
    None,
    7.5,
    ["a"],
    "a\n",
]


@pytest.mark.parametrize("name", EVIL, ids=repr)
@pytest.mark.parametrize("field", ["name", "namespace"])
def test_a_name_that_kubernetes_refuses_never_becomes_a_path(tmp_path, field, name):
    directory, manifest = Directory(tmp_path / "a" / "b"), policy("cart")
    manifest["metadata"][field] = name
    good = policy("cart", name="good")
    words = directory.pull(manifest, good)
    assert sorted(words.values()) == ["created", "refused"]
    left = sorted(str(file.relative_to(directory.path)) for file in tmp_path.rglob("*") if file.is_file())
    assert left == [".flowtier/shop/good.pulled", "shop/good.yaml"]


def test_a_manifest_without_metadata_and_two_of_one_name_are_refused(directory):
    nameless = policy("cart") | {"metadata": None}
    twin = copy.deepcopy(policy("ad"))
    words = [step.word for step in directory.steps(policy("cart"), nameless, twin)]
    assert sorted(words) == ["refused", "refused", "unchanged"]
    assert directory.read() == to_yaml(policy("cart"))


@pytest.mark.parametrize("link", ["shop", FILE, ".flowtier", ".flowtier/shop", BASE, PROPOSAL, IN_CONFLICT])
def test_no_link_is_followed_out_of_the_directory(tmp_path, link):
    outside, directory = tmp_path / "outside", Directory(tmp_path / "policies")
    outside.mkdir()
    (directory.path / link).parent.mkdir(parents=True)
    (directory.path / link).symlink_to(outside)
    (step,) = directory.steps(policy("cart"))
    assert (step.word, step.reasons) == ("refused", (f"{link} is a symbolic link",))
    assert [*outside.iterdir()] == []


def test_the_directory_itself_may_be_a_link(tmp_path, directory):
    (tmp_path / "link").symlink_to(directory.path)
    assert Directory(tmp_path / "link").pull(policy("ad")) == {FILE: "updated"}


@pytest.mark.parametrize("path", ["shop", FILE])
def test_what_stands_where_a_file_should_is_told_in_words(tmp_path, path):
    directory = Directory(tmp_path)
    where = directory.path / path
    if path == FILE:
        where.mkdir(parents=True)
    else:
        where.write_text("")
    (step,) = directory.steps(policy("cart"))
    assert step.word == "refused"
    assert step.reasons[0] in (f"{FILE}: Not a directory", f"{FILE} is no file")


def test_what_cannot_be_written_is_told_in_words_and_leaves_nothing(tmp_path):
    long = "x" * 252  # with its suffix no name of a file any more
    directory = Directory(tmp_path)
    (step,) = directory.steps(policy("cart", name=long))
    assert (step.word, step.failed) == ("refused", True)
    assert "name too long" in step.reasons[0]
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_a_file_keeps_its_mode_and_nothing_unfinished_is_left(directory):
    (directory.path / FILE).chmod(0o640)
    directory.pull(policy("ad"))
    assert (directory.path / FILE).stat().st_mode & 0o777 == 0o640
    assert sorted(directory.files()) == [BASE, FILE]
    mask = os.umask(0o022)
    os.umask(mask)
    assert (directory.path / BASE).stat().st_mode & 0o777 == 0o666 & ~mask


def begin_anew(directory: Directory) -> None:
    shutil.rmtree(directory.path)
    directory.pull(policy("cart"))


def edit(directory: Directory) -> None:
    directory.edit("order: 1500", "order: 7  # first")


def dispute(directory: Directory) -> None:
    edit(directory)
    directory.pull(policy("cart", order=8))


def settle(directory: Directory) -> None:
    dispute(directory)
    (directory.path / PROPOSAL).unlink()


def mend(directory: Directory) -> None:
    dispute(directory)
    directory.edit("order: 7", "order: 8")


BEFORE: list[tuple[str, Callable[[Directory], None], list[dict[str, Any]]]] = [
    ("updated", lambda _: None, [policy("ad")]),
    ("removed", lambda _: None, []),
    ("merged", edit, [policy("cart", "ad")]),
    ("conflict", edit, [policy("cart", order=8)]),
    ("conflict", dispute, [policy("cart", order=9)]),
    ("kept", settle, []),
    ("merged", settle, [policy("cart", "ad", order=8)]),
    ("merged", mend, [policy("cart", "ad", order=8)]),
]


@pytest.mark.parametrize(("word", "prepare", "wanted"), BEFORE)
def test_a_pull_that_ended_half_way_is_ended_by_the_next(directory, word, prepare, wanted):
    prepare(directory)
    (step,) = directory.steps(*wanted)
    assert step.word == word
    whole = {file: content for file, (content, _) in directory.files().items()}
    for done in range(1, len(step.writes)):
        begin_anew(directory)
        prepare(directory)
        for path, content in [*step.writes.items()][:done]:
            PulledFiles(directory.path).write(path, content)
        directory.pull(*wanted)
        assert {file: content for file, (content, _) in directory.files().items()} == whole

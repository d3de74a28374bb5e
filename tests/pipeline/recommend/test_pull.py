"""What `pull` does with a directory: by the state of a file, never a byte outside, never a hand edit lost."""

import copy
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.policy.load import load_paths
from pipeline.recommend.pull import Step, pull
from pipeline.recommend.render import to_yaml

FILE = "shop/default.front.yaml"
PROPOSAL = f"{FILE}.new"
BASE = ".flowtier/shop/default.front.pulled"
IN_CONFLICT = ".flowtier/shop/default.front.conflict"


def policy(
    *peers: str, name: str = "default.front", namespace: str = "shop", order: int = 1500
) -> dict[str, Any]:
    rules = [{"action": "Allow", "destination": {"selector": f"app == '{peer}'"}} for peer in peers]
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "StagedNetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"tier": "default", "order": order, "selector": "app == 'front'", "egress": rules},
    }


class Directory:
    def __init__(self, path: Path) -> None:
        self.path = path

    def pull(self, *manifests: dict[str, Any], **options: Any) -> dict[str, str]:
        return {step.file: step.word for step in self.steps(*manifests, **options)}

    def steps(self, *manifests: dict[str, Any], **options: Any) -> list[Step]:
        return pull(self.path, manifests, **options)

    def read(self, file: str = FILE) -> str:
        return (self.path / file).read_text()

    def edit(self, old: str, new: str, file: str = FILE) -> None:
        assert old in self.read(file)
        (self.path / file).write_text(self.read(file).replace(old, new))

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Every file with its content and its time."""
        files = (file for file in self.path.rglob("*") if file.is_file())
        return {
            str(file.relative_to(self.path)): (file.read_bytes(), file.stat().st_mtime_ns) for file in files
        }


@pytest.fixture
def directory(tmp_path) -> Directory:
    """Where one policy was pulled."""
    made = Directory(tmp_path / "policies")
    assert made.pull(policy("cart")) == {FILE: "created"}
    return made


def test_pulling_again_touches_no_file(directory):
    assert directory.read() == to_yaml(policy("cart"))
    before = directory.files()
    assert directory.pull(policy("cart")) == {FILE: "unchanged"}
    assert directory.files() == before


def test_a_file_that_nobody_edited_becomes_what_is_recommended_now(directory):
    assert directory.pull(policy("cart", "ad")) == {FILE: "updated"}
    assert directory.read() == to_yaml(policy("cart", "ad"))
    assert directory.pull(policy("cart", "ad")) == {FILE: "unchanged"}


def test_an_edited_file_is_left_while_the_recommendation_stays(directory):
    directory.edit("order: 1500", "order: 7  # first")
    before = directory.files()
    assert directory.pull(policy("cart")) == {FILE: "kept"}
    assert directory.files() == before


def test_an_edited_file_gets_what_is_recommended_anew_and_once(directory):
    directory.edit("order: 1500", "order: 7  # first")
    assert directory.pull(policy("cart", "ad")) == {FILE: "merged"}
    assert directory.read() == to_yaml(policy("cart", "ad", order=7)).replace("order: 7", "order: 7  # first")
    before = directory.files()
    assert directory.pull(policy("cart", "ad")) == {FILE: "kept"}
    assert directory.files() == before


def test_what_a_person_did_before_it_was_recommended_is_no_conflict(directory):
    directory.edit("order: 1500", "order: 7  # first")
    assert directory.pull(policy("cart", order=7)) == {FILE: "kept"}
    assert directory.pull(policy("cart", order=8)) == {FILE: "merged"}
    assert "order: 8  # first" in directory.read()


def test_a_conflict_leaves_the_file_and_puts_the_proposal_beside_it_until_a_person_has_decided(directory):
    directory.edit("order: 1500", "order: 7")
    edited = directory.read()
    (step,) = directory.steps(policy("cart", order=8))
    assert (step.word, step.failed) == ("conflict", True)
    assert step.reasons == ("spec.order: 7 by hand, 8 recommended, 1500 before",)
    assert (directory.read(), directory.read(PROPOSAL)) == (edited, to_yaml(policy("cart", order=8)))

    before = directory.files()
    assert directory.pull(policy("cart", order=8)) == {FILE: "conflict"}
    assert directory.files() == before
    assert directory.pull(policy("cart", order=9)) == {FILE: "conflict"}
    assert directory.read(PROPOSAL) == to_yaml(policy("cart", order=9))

    (directory.path / PROPOSAL).unlink()
    assert directory.pull(policy("cart", order=9)) == {FILE: "kept"}
    assert directory.read() == edited
    assert directory.pull(policy("cart", "ad", order=9)) == {FILE: "merged"}
    assert directory.read() == to_yaml(policy("cart", "ad", order=7))
    assert sorted(directory.files()) == [BASE, FILE]


def test_a_proposal_that_was_moved_over_the_file_is_what_was_pulled(directory):
    directory.edit("order: 1500", "order: 7")
    directory.pull(policy("cart", order=8))
    (directory.path / PROPOSAL).replace(directory.path / FILE)
    assert directory.pull(policy("cart", order=8)) == {FILE: "unchanged"}
    assert sorted(directory.files()) == [BASE, FILE]


def test_a_proposal_that_a_person_works_on_is_left(directory):
    directory.edit("order: 1500", "order: 7")
    directory.pull(policy("cart", order=8))
    directory.edit("order: 8", "order: 8  # or 7?", PROPOSAL)
    before = directory.files()
    assert directory.pull(policy("cart", order=9)) == {FILE: "conflict"}
    assert directory.files() == before


def test_a_conflict_that_is_mended_in_the_file_takes_the_proposal_away(directory):
    directory.edit("order: 1500", "order: 7")
    directory.pull(policy("cart", order=8))
    directory.edit("order: 7", "order: 8")
    directory.edit("app == 'cart'", "app == 'basket'")
    assert directory.pull(policy("cart", order=8)) == {FILE: "kept"}
    assert sorted(directory.files()) == [BASE, FILE]


def test_a_file_that_was_deleted_stays_so_and_is_named_until_its_base_goes_too(directory):
    (directory.path / FILE).unlink()
    for recommended in (policy("cart"), policy("ad")):
        assert directory.pull(recommended) == {FILE: "deleted"}
        assert sorted(directory.files()) == [BASE]
    (directory.path / BASE).unlink()
    assert directory.pull(policy("ad")) == {FILE: "created"}


def test_what_is_no_longer_recommended_goes_without_a_trace(directory):
    assert directory.pull() == {FILE: "removed"}
    assert directory.files() == {}
    assert not (directory.path / "shop").exists()
    assert directory.pull() == {}


def test_what_is_no_longer_recommended_is_left_and_named_where_it_was_edited(directory):
    directory.edit("order: 1500", "order: 7")
    before = directory.files()
    for _ in range(2):
        (step,) = directory.steps()
        assert (step.word, step.failed) == ("kept", False)
        assert "no longer recommended" in step.reasons[0]
    assert directory.files() == before


def test_a_deleted_file_that_is_no_longer_recommended_is_forgotten(directory):
    (directory.path / FILE).unlink()
    assert directory.pull() == {FILE: "removed"}
    assert directory.files() == {}


def test_a_persons_own_file_of_that_name_is_never_overwritten(directory):
    (directory.path / BASE).unlink()
    assert directory.pull(policy("cart")) == {FILE: "unchanged"}  # it says the same
    (directory.path / BASE).unlink()
    (step,) = directory.steps(policy("ad"))
    assert (step.word, step.reasons) == ("conflict", ("it is there, and was not pulled before",))
    assert directory.read() == to_yaml(policy("cart"))
    (directory.path / PROPOSAL).unlink()
    assert directory.pull(policy("ad")) == {FILE: "kept"}


def test_a_file_that_is_no_text_is_a_conflict(directory):
    (directory.path / FILE).write_bytes(b"\xff\xfe")
    (step,) = directory.steps(policy("ad"))
    assert (step.word, step.reasons) == ("conflict", ("it is not UTF-8",))


def test_one_namespace_alone_leaves_the_others(directory):
    other = policy("cart", namespace="pay")
    assert directory.pull(other, policy("ad"), namespace="pay") == {"pay/default.front.yaml": "created"}
    assert directory.pull(namespace="pay") == {"pay/default.front.yaml": "removed"}
    assert directory.read() == to_yaml(policy("cart"))


@pytest.mark.parametrize("order", [1500, 7])  # nothing changes, and a conflict
def test_check_tells_what_would_be_done_and_writes_nothing(directory, order):
    directory.edit("order: 1500", "order: 6")
    wanted = policy("cart", order=order), policy("new", name="new")
    before = directory.files()
    told = directory.steps(*wanted, check=True)
    assert directory.files() == before
    assert [bool(step.writes) for step in told] == [order != 1500, True]
    assert told == directory.steps(*wanted)


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


def test_only_the_policies_themselves_are_manifests_for_whoever_reads_the_directory(directory):
    directory.edit("order: 1500", "order: 7")
    directory.pull(policy("cart", order=8))
    suffixes = (".yaml", ".yml", ".json")
    assert [file for file in directory.files() if file.endswith(suffixes)] == [FILE]
    assert len(load_paths([directory.path]).policies) == 1

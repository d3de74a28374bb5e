"""What `pull` does by the state of a file: no hand edit is ever lost, and nothing is written without need."""

import pytest

from pipeline.policy.load import load_paths
from pipeline.recommend.render import to_yaml
from tests.pipeline.recommend.pulling import BASE, FILE, PROPOSAL, Directory, policy, pulled_once


@pytest.fixture
def directory(tmp_path) -> Directory:
    return pulled_once(tmp_path / "policies")


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


def test_only_the_policies_themselves_are_manifests_for_whoever_reads_the_directory(directory):
    directory.edit("order: 1500", "order: 7")
    directory.pull(policy("cart", order=8))
    suffixes = (".yaml", ".yml", ".json")
    assert [file for file in directory.files() if file.endswith(suffixes)] == [FILE]
    assert len(load_paths([directory.path]).policies) == 1

"""Whole revisions: what a publish writes, and what is taken for whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.revisions import (
    KEY,
    Revision,
    RevisionError,
    Shelf,
    changes,
    check_whole,
    content_hash,
    decode,
    encode,
)

NAMES = st.text(st.characters(codec="utf-8"), min_size=1)
TIERS = st.dictionaries(NAMES, st.integers(), max_size=6)


def tier(name: str, order: int = 1) -> bytes:
    manifest = {"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": {"name": name}}
    return json.dumps(manifest | {"spec": {"order": order}}).encode()


RESOURCES = TIERS.map(lambda tiers: {f"Tier//{name}": tier(name, order) for name, order in tiers.items()})


def revision_of(resources: dict[str, bytes]) -> Revision:
    return Revision(
        revision="r1",
        content=content_hash(resources),
        resources=len(resources),
        source="git",
        commit=None,
        published=1.0,
    )


@given(RESOURCES, RESOURCES)
def test_a_publish_over_anything_leaves_exactly_what_was_published(before, after) -> None:
    shelf = Shelf()
    for resources in (before, after):
        for key, value in changes(shelf.resources, resources).items():
            shelf.put(key, value)
        shelf.put(KEY, encode(revision_of(resources)))
    assert shelf.newest
    check_whole(decode(shelf.newest[0]), shelf.newest[1])
    assert shelf.newest[1] == after


@given(RESOURCES.filter(bool), st.data())
def test_a_revision_with_anything_missing_or_changed_is_not_whole(resources, data) -> None:
    revision = revision_of(resources)
    key = data.draw(st.sampled_from(sorted(resources)))
    missing = {name: value for name, value in resources.items() if name != key}
    for torn in (missing, resources | {key: resources[key] + b"x"}, resources | {"Tier//": tier("")}):
        with pytest.raises(RevisionError, match="publish again"):
            check_whole(revision, torn)


@pytest.mark.parametrize(
    "value",
    [b"", b"17", b"{}", b"\xff", b"[" * 20_000, tier("other"), tier("a").replace(b"Tier", b"Pod")],
    ids=lambda value: repr(value)[:12],
)
def test_a_resource_that_is_not_what_its_key_says_is_never_passed_over(value) -> None:
    resources = {"Tier//a": value, "Tier//b": tier("b")}
    with pytest.raises(RevisionError, match="Tier//a of revision r1 is no policy of that name: publish"):
        check_whole(revision_of(resources), resources)


@given(RESOURCES)
def test_what_stands_already_is_not_written_again(resources) -> None:
    assert changes(resources, resources) == {}


def test_resources_that_come_after_a_revision_do_not_change_it() -> None:
    shelf = Shelf()
    shelf.put("Kind/a", b"1")
    shelf.put(KEY, b"revision")
    shelf.put("Kind/b", b"2")
    assert shelf.newest == (b"revision", {"Kind/a": b"1"})


def test_a_record_from_before_it_was_kept_who_published_is_read() -> None:
    record = {"v": 1, "revision": "r1", "content": "c", "resources": 1, "source": "git", "commit": "abc"}
    revision = decode(json.dumps(record | {"published": 1.0}).encode())
    assert (revision.source, revision.commit, revision.by, revision.author) == ("git", "abc", None, None)


@pytest.mark.parametrize("value", [None, b"", b"{", b'{"v": 2}', b'{"v": 1}'])
def test_a_record_that_is_no_revision_is_refused_in_words(value) -> None:
    with pytest.raises(RevisionError, match="the revision record cannot be read"):
        decode(value)

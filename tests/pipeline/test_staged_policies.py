"""Which flows count for a staged policy: those of its workloads, judged by it as it is."""

from itertools import pairwise

import pytest

from pipeline.staged_policies import IndexedRevision, staged_policies

HOUR = 3_600_000
NOON = 1_000 * 24 * HOUR + 12 * HOUR
TEN_TO = NOON + 50 * 60_000
TWO_TO = NOON + 58 * 60_000


def policy(name="np:shop/cart", **changes):
    return {
        "policy": name,
        "staged": name.startswith("s"),
        "tier": "default",
        "namespace": "shop",
        "types": ["Ingress"],
        "selector": "app == 'cart'",
        "rules": ["Allow tcp"],
        "applies_to": ["shop/cart"],
    } | changes


STAGED = policy("snp:shop/cart", staged_action="Set")
FRONT = policy("np:shop/front", applies_to=["shop/front"])


def revision(*policies, since=NOON):
    return IndexedRevision(str(since), since, {each["policy"]: each for each in policies})


def staged(*revisions):
    """The staged policy of a history, the oldest revision first."""
    [found] = staged_policies(revisions[::-1], {})
    return found


def test_a_policy_that_was_always_there_has_all_flows():
    assert staged(revision(STAGED), revision(STAGED, since=TEN_TO)).since is None


@pytest.mark.parametrize(
    "before",
    [
        [],
        [STAGED | {"rules": ["Deny tcp"]}],
        [STAGED | {"selector": "all()"}],
        [STAGED | {"order": 10}],
        [STAGED | {"tier_order": 10}],
        [STAGED | {"staged_action": "Ignore"}],
        [STAGED, policy()],
        [STAGED, policy("np:shop/other")],
        [STAGED, policy("gnp:all", applies_to=["shop/cart", "shop/front"])],
    ],
)
def test_flows_count_from_the_first_whole_hour_after_a_change_of_it_or_beside_it(before):
    now = revision(STAGED, since=TEN_TO)
    assert staged(revision(*before), now).since == NOON + HOUR
    assert staged(revision(STAGED), revision(*before), now).since == NOON + HOUR


def test_what_is_enforced_newly_or_otherwise_on_its_workloads_counts_as_a_change():
    now = revision(STAGED, policy("np:shop/other"), since=TEN_TO)
    assert staged(revision(STAGED), now).since == NOON + HOUR
    other = policy("np:shop/other", rules=[])
    assert staged(revision(STAGED, other), now).since == NOON + HOUR


def test_a_worker_that_still_compiles_at_the_full_hour_judges_by_what_was_before():
    assert staged(revision(), revision(STAGED, since=TWO_TO)).since == NOON + 2 * HOUR


@pytest.mark.parametrize(
    "beside",
    [[FRONT], [policy("snp:shop/next")], [policy("sgnp:all", applies_to=["shop/cart", "shop/front"])]],
)
def test_policies_of_other_workloads_and_other_staged_ones_may_change(beside):
    before, now = revision(STAGED, *beside), revision(STAGED, since=TEN_TO)
    assert staged(before, now).since is None


def test_only_what_changed_last_counts():
    history = [[], [STAGED], [STAGED | {"rules": []}], [STAGED], [STAGED, FRONT]]
    revisions = [revision(*each, since=NOON + day * 24 * HOUR) for day, each in enumerate(history)]
    assert all(older.since < newer.since for older, newer in pairwise(revisions))
    assert staged(*revisions).since == NOON + 3 * 24 * HOUR + HOUR


def test_what_its_enforced_twin_applies_to_may_change_too():
    twin = policy(applies_to=["shop/old", "shop/cart"], types=["Ingress", "Egress"])
    found = staged(revision(STAGED, twin))
    assert found.workloads == ("shop/cart", "shop/old")
    assert found.directions == ("egress", "ingress")


def test_one_that_deletes_its_twin_touches_what_that_applies_to_and_nothing_else():
    deleting = STAGED | {"staged_action": "Delete", "applies_to": ["shop/a", "shop/b", "shop/cart"]}
    assert staged(revision(deleting, policy())).workloads == ("shop/cart",)
    assert staged(revision(deleting)).workloads == ()


def test_what_verdicts_do_not_tell_of_is_told():
    [found] = staged_policies([revision(STAGED)], {"snp:shop/cart": "its stagedAction is Learn"})
    assert found.unjudged == "its stagedAction is Learn"


def test_one_workload_may_come_without_a_list():
    found = staged(revision(STAGED | {"applies_to": "shop/cart", "types": "Egress"}))
    assert (found.workloads, found.directions) == (("shop/cart",), ("egress",))


def test_a_policy_without_workloads_or_types_is_told_as_such():
    bare = {name: STAGED[name] for name in ("policy", "staged", "tier")}
    found = staged(revision(bare))
    assert (found.workloads, found.directions, found.namespace) == ((), (), "")

"""Revisions loaded and handed over one after the other are what each of them is when loaded afresh."""

import pickle

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.policy.again import Loader
from pipeline.policy.hand_over import Receiver, Sender
from pipeline.policy.load import load_texts
from pipeline.policy.policies import ANY_ENTITY
from pipeline.policy.problems import ManifestError
from pipeline.policy.revision import to_policies
from tests.benchmarks import large_revision

KINDS = ("GlobalNetworkPolicy", "StagedGlobalNetworkPolicy", "GlobalNetworkSet", "Tier")


def manifest(kind: str, name: str, change: int) -> bytes:
    """A resource; some changes make it one that is refused."""
    action, selector = ("Allow", "Deny", "Pass", "Alow")[change % 4], f"a == '{change}'"
    rules = [{"action": action, "source": {"selector": selector}}]
    specs = {
        "GlobalNetworkSet": {"nets": [f"10.0.{change}.0/24"]},
        "Tier": {"order": change},
    }
    spec = specs.get(kind, {"order": change % 3, "ingress": rules, "egress": rules[: change % 2]})
    document = {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": {"name": name}, "spec": spec}
    return orjson.dumps(document)


# A text's name does not have to be its resource's key: two may then hold the same resource.
TEXTS = st.dictionaries(
    st.sampled_from([f"text-{n}" for n in range(6)]),
    st.builds(manifest, st.sampled_from(KINDS), st.sampled_from(("x", "y", "z")), st.integers(0, 7)),
    max_size=6,
)


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_any_row_of_revisions_is_handed_over_as_each_of_them_loads_afresh(revisions) -> None:
    loader, sender, receiver = Loader(), Sender(), Receiver()
    for texts in revisions:
        loaded = loader.load(texts)
        assert loaded == load_texts(texts.items())
        if not loaded.problems:
            difference = sender.difference(to_policies(loaded))
            list(receiver.take(pickle.loads(pickle.dumps(difference))))
            assert receiver.policies == to_policies(load_texts(texts.items()))


def test_only_what_changed_is_handed_over() -> None:
    loader, sender = Loader(), Sender()
    texts = large_revision.resources(200)
    assert len(sender.difference(to_policies(loader.load(texts))).changed) == 4
    changed = texts | dict([large_revision.resource(7, 9000)])
    difference = sender.difference(to_policies(loader.load(changed)))
    ((_, policy),) = pickle.loads(difference.changed[0])
    assert policy.key.name == "platform.policy-7"
    assert sender.difference(to_policies(loader.load(dict(changed)))).changed == ()


def test_a_new_sender_hands_over_everything() -> None:
    texts = large_revision.resources(60)
    receiver = Receiver()
    for resources in (texts, dict(list(texts.items())[10:])):
        list(receiver.take(Sender().difference(to_policies(load_texts(resources.items())))))
        assert receiver.policies == to_policies(load_texts(resources.items()))


def test_a_rule_that_asks_nothing_of_a_side_shares_that_with_all_others_after_it_was_handed_over() -> None:
    policies = to_policies(load_texts(large_revision.resources(60).items()))
    again = pickle.loads(pickle.dumps(policies))
    assert again == policies
    assert all(rule.source is ANY_ENTITY for policy in again.policies for rule in policy.egress)


def test_problems_come_through_a_pipe_as_they_are() -> None:
    with pytest.raises(ManifestError) as raised:
        to_policies(load_texts([("x", manifest("GlobalNetworkPolicy", "x", 3))]))
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.problems) == (str(raised.value), raised.value.problems)

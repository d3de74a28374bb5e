"""No change changes nothing, promoting is what the stream calls promoted, no order and no process matters."""

import json
from dataclasses import replace
from ipaddress import ip_network

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.judge import Judge
from pipeline.match.verdict import Decision
from pipeline.policy.policies import NetworkSet, Policies
from pipeline.policy.promote import promotable, promote
from pipeline.policy.selector import Selector
from pipeline.whatif.changes import Found
from pipeline.whatif.report import Report, report
from pipeline.whatif.run import WhatIf, World, answers
from tests.pipeline.match import strategies
from tests.pipeline.match.test_evaluate import PATIENT, evaluated, tables_of
from tests.pipeline.resolving import CLUSTER
from tests.pipeline.test_judge import BATCHES, FLOW, REVISIONS, documents, policies

MAX_CELLS = 4096
FEW = settings(deadline=None, max_examples=25)
FACTS = Facts.from_resources(CLUSTER)
TWO = REVISIONS.map(lambda revisions: revisions[:2])
FLOWS = st.lists(BATCHES, min_size=1, max_size=4)


def asked(batches, before, after, jobs=1) -> Report:
    """What the command reports, but for which flow is the example: that depends on the order."""
    found = Found()
    for answer in answers(batches, World(before, FACTS), [World(after, FACTS)], MAX_CELLS, jobs):
        found.add(answer.found[0])
    made = report("base", "head", found, 0)
    return msgspec.structs.replace(
        made, lines=[msgspec.structs.replace(line, example="") for line in made.lines]
    )


def renumbered(messages):
    return [msgspec.structs.replace(each, offset=offset) for offset, each in enumerate(messages)]


@FEW
@given(REVISIONS, FLOWS)
def test_no_change_changes_nothing(revisions, batches):
    (same, *_) = revisions
    assert asked(batches, same, replace(same, revision="other")).lines == []


@FEW
@given(REVISIONS, FLOWS)
def test_a_change_that_concerns_nobody_changes_nothing(revisions, batches):
    """Not even where it names a service that was not named before."""
    (before, *_) = revisions
    service = {"services": {"name": "unheard-of", "namespace": "shop"}}
    (aside,) = policies(
        [
            {
                "kind": "GlobalNetworkPolicy",
                "metadata": {"name": "aside"},
                "spec": {
                    "selector": "app == 'of-nobody' && app == 'of-somebody'",
                    "types": ["Egress"],
                    "egress": [{"action": "Allow", "destination": service}],
                },
            }
        ]
    ).policies
    after = replace(before, revision="other", policies=(*before.policies, aside))
    assert asked(batches, before, after).lines == []


def network_set(name: str, **labels: str) -> NetworkSet:
    return NetworkSet("", name, tuple(labels.items()), (ip_network("198.51.100.0/24"),))


@FEW
@given(REVISIONS, FLOWS)
def test_a_network_set_that_no_policy_selects_changes_nothing(revisions, batches):
    (before, *_) = revisions
    added = network_set("aside", of="nobody")
    assume(not any(each.matches(dict(added.labels)) for each in selectors_of_rules(before)))
    after = replace(before, revision="other", network_sets=(*before.network_sets, added))
    assert asked(batches, before, after).lines == []
    assert asked(batches, after, before).lines == []


def selectors_of_rules(revision: Policies) -> list[Selector]:
    rules = [rule for policy in revision.policies for rule in (*policy.ingress, *policy.egress)]
    sides = [side for rule in rules for side in (rule.source, rule.destination)]
    return [part for side in sides for part in (side.selector, side.not_selector) if part]


def test_what_is_unknown_then_as_now_is_told_where_a_network_set_that_matters_differs():
    to_set, to_net = (
        {"action": "Allow", "destination": dest}
        for dest in ({"selector": "kind == 'api'"}, {"nets": ["203.0.113.0/24"]})
    )
    rules = {"selector": "app == 'web'", "types": ["Egress"], "egress": [to_set, to_net]}
    revision = policies([{**allowing("p", "Allow", 80), "spec": rules}])
    flow = FLOW | {"dest_type": "net", "dest_name_aggr": "pub", "dest_ip": "-"}
    batches = [[Message(json.dumps(flow).encode(), "flows", 0, 0, 0)]]
    before, aside, another, gone = (
        replace(revision, network_sets=sets)
        for sets in (
            (network_set("a", kind="api"),),
            (network_set("a", kind="api"), network_set("b", kind="db")),
            (network_set("a", kind="api"), network_set("b", kind="api")),
            (),
        )
    )
    assert asked(batches, before, aside).lines == []
    for after in (another, gone):
        (told,) = asked(batches, before, after).lines
        assert told.change == "unknown"


@FEW
@given(TWO, FLOWS, st.randoms(use_true_random=False), st.integers(1, 5))
def test_neither_order_nor_batches_matter(revisions, batches, random, size):
    messages = [message for batch in batches for message in batch]
    random.shuffle(messages)
    shuffled = [renumbered(messages[at : at + size]) for at in range(0, len(messages), size)]
    assert asked(shuffled, *revisions) == asked(batches, *revisions)


def test_two_processes_say_what_one_says():
    before = policies([allowing("p", "Allow", 80), allowing("q", "Deny", 8080)])
    after = policies([allowing("p", "Deny", 80), allowing("q", "Allow", 8080)])
    lines = [
        json.dumps(FLOW | {"dest_port": port, "num_flows_started": 2}).encode() for port in (79, 80, 8080)
    ]
    batches = [[Message(lines[at % 3], "flows", 0, at, 0)] for at in range(12)]
    one = asked(batches, before, after)
    assert {(line.change, line.flows) for line in one.lines} == {("newly_denied", 4), ("newly_allowed", 4)}
    assert asked(batches, before, after, jobs=2) == one


def allowing(name: str, action: str, port: int) -> dict[str, object]:
    rule = {"action": action, "protocol": "TCP", "destination": {"ports": [port]}}
    return {
        "kind": "GlobalNetworkPolicy",
        "metadata": {"name": name},
        "spec": {"selector": "app == 'web'", "types": ["Egress"], "egress": [rule]},
    }


@settings(PATIENT, max_examples=40)
@given(st.data())
def test_all_promoted_is_what_the_stream_calls_promoted(data):
    world = data.draw(strategies.worlds())
    flow = data.draw(strategies.flows(world))
    (stream,) = evaluated(tables_of(world), [flow])
    promoted = promote(world.policies, promotable(world.policies))
    (ours,) = evaluated(tables_of(replace(world, policies=promoted)), [flow])
    assume("too_many" not in (*stream.unknown, *ours.unknown))
    assert plain(ours.enforced) == plain(stream.promoted)


@settings(PATIENT, max_examples=40)
@given(st.data())
def test_one_promoted_is_what_the_stream_says_of_it_alone(data):
    world = data.draw(strategies.worlds())
    staged = promotable(world.policies)
    assume(staged)
    one = data.draw(st.sampled_from(staged))
    flow = data.draw(strategies.flows(world))
    (stream,) = evaluated(tables_of(world), [flow])
    (ours,) = evaluated(tables_of(replace(world, policies=promote(world.policies, [one]))), [flow])
    assume("too_many" not in (*stream.unknown, *ours.unknown))
    before, after = plain(stream.enforced)[0], plain(ours.enforced)[0]
    if str(one) in stream.staged_deny:
        assert (before, after) == ("allow", "deny")
    elif str(one) in stream.staged_allow:
        assert (before, after) == ("deny", "allow")
    elif str(one) not in stream.staged_unknown and flow.direction == "ingress":
        assert before == after


def plain(decision: Decision | None) -> tuple[object, ...]:
    """A decision without what promoting renames: the kind of a staged policy."""
    assert decision
    return decision.action, decision.tier, decision.rule


@FEW
@given(REVISIONS, BATCHES)
def test_what_changes_is_the_impact_that_the_stream_tells(revisions, batch):
    (before, *_) = revisions
    after = promote(before, promotable(before))
    question = WhatIf(World(before, FACTS), [World(after, FACTS)], MAX_CELLS)
    judge = Judge(before, FACTS, "test", 0, MAX_CELLS)
    for message, document in zip(batch, documents(judge, batch), strict=True):
        if document["verdict"].get("unjudged"):
            continue
        impact = document["verdict"]["impact"]
        (found,) = question.ask([message]).found
        change = next((changed.change for changed in found.changes), "none")
        if impact != "unknown" and change != "unknown":
            assert change == impact or let_in_only(document, impact, change)


def let_in_only(document, impact: str, change: str) -> bool:
    """What a destination lets in that its source does not let out any more."""
    return (document["reporter"], impact, change) == ("dst", "newly_allowed", "none")

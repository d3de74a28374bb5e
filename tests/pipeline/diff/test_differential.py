"""The difference of two revisions is what brute force finds over all pairs, protocols and telling ports."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.diff.compare import Compared
from pipeline.diff.endpoints import Known, records_of
from pipeline.diff.permissions import enforced
from pipeline.diff.run import Stand, compare_stands, differ
from pipeline.diff.traffic import Traffic
from pipeline.facts import Facts
from pipeline.match.reference import CompleteFlow, LabelledSet, Party, decide
from pipeline.policy.policies import Direction, Policies
from pipeline.resolve import Resolver
from tests.pipeline.diff.clusters import edits, facts, swaps

PATIENT = settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
CELLS = 100_000
# The ends of all that rules and pods of these clusters name, and what is next to them; types of ICMP.
PORTS = (0, 53, 60, 80, 81, 8000, 65535, 8 << 8, 8 << 8 | 1, 3 << 8 | 1)
PROTOCOLS = (1, 6, 17, 47, 58, 99)
SOURCE_PORTS = (0, 60, 80, 8000)


def permitted(policies: Policies, known: Facts, endpoints: list[Known]) -> Iterator[tuple[object, ...]]:
    """(source, destination, protocol, source port, port) of all that the reference lets through."""
    policies = enforced(policies)
    resolved = Resolver(known, policies).resolve(records_of(endpoints, 1e9))
    sets = [
        LabelledSet(labels.labels, own.nets, own.domains)
        for own, labels in zip(policies.network_sets, resolved.sets, strict=True)
    ]

    def party(place: int, ids: np.ndarray) -> Party:
        side = resolved.sides[ids[place]]
        (candidate,) = side.candidates
        return Party(candidate.identity, candidate.addresses[0][0], side.domains or ())

    sources = [party(place, resolved.source) for place in range(len(endpoints))]
    dests = [party(place, resolved.dest) for place in range(len(endpoints))]
    kinds = [endpoint.kind for endpoint in endpoints]
    for (s, source), (d, dest) in product(enumerate(sources), enumerate(dests)):
        if "wep" not in (kinds[s], kinds[d]) or source.address.version != dest.address.version:
            continue
        for protocol, source_port, port in product(PROTOCOLS, SOURCE_PORTS, PORTS):
            if (protocol, source.address.version) in ((1, 6), (58, 4)):
                continue
            flow = CompleteFlow(source, dest, protocol, source_port, port)
            ends: list[tuple[Direction, int]] = [("egress", s), ("ingress", d)]
            if all(
                decide(policies, sets, resolved.slices, flow, direction, "enforced").action == "allow"
                for direction, place in ends
                if kinds[place] == "wep"
            ):
                yield s, d, protocol, source_port, port


def found(compared: Compared, traffic: list[Traffic], change: str) -> set[tuple[object, ...]]:
    """The same for what is said to change."""
    rest = next(each.protocol for each in traffic if each.is_rest)
    named = {each.protocol for each in traffic}
    points: set[tuple[object, ...]] = set()
    for group in compared.groups:
        assert group.change != "unclear"
        if group.change == change:
            sources = [place for one in group.sources for place in compared.sources[one].tolist()]
            dests = [place for one in group.dests for place in compared.dests[one].tolist()]
            for protocol, source_port, port in product(PROTOCOLS, SOURCE_PORTS, PORTS):
                own = protocol if protocol in named else rest
                if any(_is_in(own, source_port, port, traffic[place]) for place in group.traffic):
                    points |= {(s, d, protocol, source_port, port) for s, d in product(sources, dests)}
    return points


def _is_in(protocol: int, source_port: int, port: int, traffic: Traffic) -> bool:
    low, high = traffic.ports
    first, last = traffic.source_ports
    return protocol == traffic.protocol and low <= port <= high and first <= source_port <= last


def agrees_with_brute_force(change: tuple[Policies, Policies], known: Facts) -> None:
    base, head = change
    endpoints, traffic, compared = compare_stands(
        Stand("base", base, known), Stand("head", head, known), CELLS
    )
    before, after = (set(permitted(each, known, endpoints)) for each in change)
    assert found(compared, traffic, "gained") == after - before
    assert found(compared, traffic, "lost") == before - after
    assert compared.unsure == 0


@PATIENT
@given(edits(), facts())
def test_an_edit_changes_what_brute_force_finds(change, known):
    agrees_with_brute_force(change, known)


@PATIENT
@given(swaps(), facts())
def test_any_change_is_what_brute_force_finds(change, known):
    agrees_with_brute_force(change, known)


@PATIENT
@given(edits() | swaps(), facts())
def test_a_change_the_other_way_round_gives_what_it_took(change, known):
    base, head = (Stand("x", each, known) for each in change)
    one, other = differ(base, head, CELLS), differ(head, base, CELLS)
    turned = {"gained": "lost", "lost": "gained"}
    mirrored = {(turned[p.change], p.sources, p.destinations, p.traffic, p.families) for p in one.permissions}
    assert mirrored == {
        (p.change, p.sources, p.destinations, p.traffic, p.families) for p in other.permissions
    }
    assert (one.gained, one.lost) == (other.lost, other.gained)


@PATIENT
@given(edits() | swaps(), facts(), st.booleans())
def test_nothing_changes_from_a_revision_to_itself(change, known, first):
    same = Stand("same", change[not first], known)
    assert differ(same, same, CELLS).same

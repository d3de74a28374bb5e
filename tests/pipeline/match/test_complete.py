from dataclasses import replace

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipeline.identity import NamedPort
from pipeline.match.complete import ANYWHERE, completions
from pipeline.match.reference import CompleteFlow, Party, decide, judge
from pipeline.match.verdict import TooMany
from tests.pipeline.match.strategies import flows, worlds

MANY = 1000
PATIENT = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)


@st.composite
def parties(draw, given_side):
    candidate = draw(st.sampled_from(given_side.candidates))
    region = draw(st.sampled_from(candidate.addresses or ANYWHERE))
    address = region[draw(st.integers(0, region.num_addresses - 1) | st.just(0))]
    domains = given_side.domains
    if domains is None:
        domains = tuple(
            draw(st.lists(st.sampled_from(("api.example.com", "x.example.com", "a.org", "b.net"))))
        )
    identity = candidate.identity and draw(completed(candidate.identity))
    return Party(identity, address, domains), candidate.outside_sets


@st.composite
def completed(draw, identity):
    values = st.sampled_from(("web", "db", "web-db", "webdb", "v1", "x", "prod", "api", "writer", ""))
    keys = ("app", "ver", "kind", "pcns.env", "pcns.team", "pcsa.role", "projectcalico.org/serviceaccount")
    more = draw(st.dictionaries(st.sampled_from(keys), values))
    labels = {key: value for key, value in more.items() if identity.is_open(key)} | dict(identity.labels)
    ports = identity.ports
    if identity.open_ports:
        port = st.builds(
            NamedPort, st.sampled_from(("http", "dns")), st.sampled_from((6, 17)), st.integers(0, 65535)
        )
        ports += tuple(
            draw(st.lists(port | st.sampled_from((NamedPort("http", 6, 80), NamedPort("dns", 17, 53)))))
        )
    return replace(identity, labels=tuple(sorted(labels.items())), ports=ports)


@st.composite
def complete_flows(draw, world, flow):
    """Any flow that `flow` may be, made without a look at what policies ask."""
    (source, source_outside), (destination, dest_outside) = (
        draw(parties(flow.source)),
        draw(parties(flow.destination)),
    )
    assume(source.address.version == destination.address.version)
    nets = [net for known in world.sets for net in known.nets]
    for party, outside in ((source, source_outside), (destination, dest_outside)):
        assume(not (outside and any(party.address in net for net in nets)))
    port = st.integers(0, 65535) | st.sampled_from((80, 53, 8 << 8, 3 << 8 | 1))
    return CompleteFlow(
        source,
        destination,
        draw(st.integers(1, 255) | st.sampled_from((1, 6, 17, 58)))
        if flow.protocol is None
        else flow.protocol,
        draw(port) if flow.source_port is None else flow.source_port,
        draw(port) if flow.dest_port is None else flow.dest_port,
        draw(st.booleans()) if flow.own_host is None else flow.own_host,
    )


@PATIENT
@given(st.data())
def test_no_completion_contradicts_what_is_known(data):
    world = data.draw(worlds())
    flow = data.draw(flows(world))
    try:
        outcome = judge(world.policies, world.sets, world.slices, flow, MANY)
    except TooMany:
        return
    for _ in range(3):
        complete = data.draw(complete_flows(world, flow))
        for scope in ("enforced", "pending", "promoted"):
            known = getattr(outcome, scope)
            decision = decide(world.policies, world.sets, world.slices, complete, flow.direction, scope)
            assert known.action in ("unknown", decision.action)
            assert not known.trace or known == decision


@PATIENT
@given(st.data())
def test_a_completion_is_one_of_what_the_flow_may_be(data):
    world = data.draw(worlds())
    flow = data.draw(flows(world))
    try:
        every = list(completions(world.policies, world.sets, world.slices, flow, MANY))
    except TooMany:
        return
    for complete in every:
        for given_side, party in ((flow.source, complete.source), (flow.destination, complete.destination)):
            assert any(is_of(candidate, party) for candidate in given_side.candidates)
        assert flow.protocol in (None, complete.protocol)
        assert flow.source_port in (None, complete.source_port)
        assert flow.dest_port in (None, complete.dest_port)


def is_of(candidate, party):
    if (candidate.identity is None) != (party.identity is None):
        return False
    listed = dict(candidate.identity.labels).items() if candidate.identity else set()
    has = dict(party.identity.labels).items() if party.identity else set()
    extra = {key for key, _ in has - listed}
    return (
        listed <= has
        and all(candidate.identity.is_open(key) for key in extra)
        and any(party.address in net for net in candidate.addresses or ANYWHERE)
    )

import pytest

from pipeline.recommend.alike import alike


def rule(*ports, peer="cart", **changes):
    destination = {"selector": f"app == '{peer}'"} | ({"ports": [*ports]} if ports else {})
    return {"action": "Allow", "protocol": "TCP", "destination": destination} | changes


SAME = [
    (rule(80), rule(80, 443)),
    (rule(80), rule("80:90")),
    (rule("80:90"), rule("90:99")),
    (rule("http"), rule(443, "http")),
    (rule(80), rule()),
    (rule(80), rule(80, metadata={"annotations": {"owner": "jo"}})),
    (rule(80), rule(80, source={})),
]
OTHER = [
    (rule(80), rule(443)),
    (rule("80:90"), rule("91:99")),
    (rule("http"), rule(80)),
    (rule(80), rule(80, peer="ad")),
    (rule(80), rule(80, protocol="UDP")),
    (rule(80), rule(80, action="Deny")),
    (rule(protocol="ICMP", icmp={"type": 8}), rule(protocol="ICMP", icmp={"type": 3})),
    (rule(80), 80),
    ("80", "80"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_rule_with_other_ports_of_which_some_stayed_is_the_same_rule(one, other):
    assert alike(one, other)
    assert alike(other, one)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_a_rule_for_another_peer_protocol_or_port_is_another_rule(one, other):
    assert not alike(one, other)
    assert not alike(other, one)

"""The graphs of the sample cluster, against its flows counted one by one."""

from tests.dashboards.counting import records
from tests.dashboards.graphs.browser import answered
from tests.dashboards.graphs.counting import WORDS, count, of_namespaces, verdict, within
from tests.dashboards.graphs.reading import drawn, expected


def test_the_service_graph_says_what_the_flows_do(sample, client, graph):
    graph.show(answered("service-graph", client, sample.context))
    assert drawn(graph) == expected(count(records(sample), of_namespaces))
    assert {each["worst"] for each in graph.marks("link")} >= {0, 1, 2, 4}
    namespaces = {each["name"] for each in graph.marks("node") if each["kind"] == "n:"}
    for namespace in sorted(namespaces):
        graph.click("node", node=f"n:{namespace}")
        assert drawn(graph) == expected(count(records(sample), within(namespace)))
        graph.click("back")


def test_flowviz_says_what_the_flows_do(sample, client, graph):
    graph.show(answered("flowviz", client, sample.context))
    told = sum(each["connections"] for each in graph.marks("ribbon") if each["gap"] == 0)
    there = sum(each["connections"] for each in records(sample) if each["counted"])
    assert there * 0.98 < told <= there
    words = {verdict(each) for each in records(sample) if each["reporter"] != "fwd"}
    assert {WORDS[each["rank"]] for each in graph.marks("ribbon")} == words


def test_the_policy_board_has_the_policies_in_their_order(sample, client, graph):
    graph.show(answered("policy-board", client, sample.context))
    cards = [each["policy"] for each in sorted(graph.marks("card"), key=lambda each: each["position"])]
    while graph.texts("below"):
        graph.click("below", tier="application")
        cards += [each["policy"] for each in graph.marks("card")]
    by_tier = {
        tier.name: [str(each.key) for each in sample.policies.policies if each.tier == tier.name]
        for tier in sample.policies.tiers
    }
    for policies in by_tier.values():
        assert [each for each in cards if each in policies] == policies

"""The Service Graph in a browser: what it counts, its levels, what it folds, and the filters that it sets."""

from dataclasses import replace

import pytest

from tests.dashboards.graphs import made
from tests.dashboards.graphs.browser import SIZE, SPECS, answered
from tests.dashboards.graphs.counting import WORDS, count, of_namespaces, within
from tests.dashboards.graphs.reading import drawn, expected, outside, overlaps

LARGE = list(made.large())
SMALL = "team-delta-27"  # of 9 workloads
LARGEST = made.LARGEST
INDEX = "flowtier_edges.*.hour.*"  # Kibana finds a data view by its title


@pytest.fixture
def shown(graph, client, large):
    graph.show(answered("service-graph", client, large))
    return graph


def test_edges_between_namespaces_are_those_of_the_documents(shown):
    assert drawn(shown) == expected(count(LARGE, of_namespaces))
    assert len(shown.marks("node")) == 33  # 30, kube-system, the networks and the network sets outside


def test_a_click_on_a_namespace_shows_its_workloads_and_there_is_a_way_back(shown):
    namespaces = drawn(shown)
    shown.click("node", node=f"n:{SMALL}")
    assert drawn(shown) == expected(count(LARGE, within(SMALL)))
    assert SMALL in shown.texts("heading")[0]
    shown.click("back")
    assert drawn(shown) == namespaces
    assert not shown.calls()


def test_the_level_and_the_measure_outlive_a_change_of_the_filter(shown, client, large):
    shown.click("node", node=f"n:{SMALL}")
    shown.choose("bytes")
    chosen = replace(large, chosen=(("reporter", "src"),))
    shown.refresh(answered("service-graph", client, chosen))
    assert drawn(shown) == expected(
        count((each for each in LARGE if each["reporter"] == "src"), within(SMALL))
    )
    largest = max(shown.marks("link"), key=lambda each: each["bytes"])
    assert largest["weight"] == largest["bytes"]
    assert "restoreSignalValuesOnRefresh" in (SPECS / "service-graph.json").read_text()


@pytest.mark.parametrize("word", WORDS)
def test_hover_says_the_counts_of_an_edge(shown, word):
    counted = count(LARGE, of_namespaces)
    (source, dest), edge = next(
        (between, each)
        for between, each in counted.items()
        if each.worst == word and between[0] != between[1]
    )
    told = shown.hover("link", from_label=source, to_label=dest)
    by = [f"{source:,} / {dest:,}" for source, dest in edge.by.values()]
    assert told == {
        "title": f"{source} → {dest}",
        "Verdict": word,
        "Connections": f"{edge.connections:,}",
        "Bytes": f"{edge.bytes:,}",
        "Threat, by source / destination": by[0],
        "Denied": by[1],
        "Staged deny": by[2],
        "Unknown": by[3],
        "Allowed": by[4],
        "Staged policies that would deny": ", ".join(sorted(edge.staged)) or "none",
    }


def test_a_click_on_an_edge_filters_by_both_its_ends(shown, client, large):
    edge = shown.marks("link")[-1]
    shown.click("link", edge=edge["edge"])
    (call,) = shown.calls()
    query, index, label = call["args"]
    assert (call["name"], index, label) == (
        "kibanaAddFilter",
        INDEX,
        f"{edge['from_label']} → {edge['to_label']}",
    )
    found = client.count(index=large.index(INDEX), query=query)["count"]
    assert found == sum(of_namespaces(each) == (edge["from_label"], edge["to_label"]) for each in LARGE)


def test_a_click_on_a_workload_filters_by_it_on_either_side(shown, client, large):
    shown.click("node", node=f"n:{SMALL}")
    node = next(each for each in shown.marks("node") if each["kind"] == "w:")
    shown.click("node", node=node["node"])
    (call,) = shown.calls()
    found = client.count(index=large.index(INDEX), query=call["args"][0])["count"]
    sides = [
        {(each[f"{side}_namespace"], each[f"{side}_workload"]) for side in ("source", "dest")}
        for each in LARGE
    ]
    assert found == sum((SMALL, node["name"]) in each for each in sides) > 0


def test_a_click_on_what_is_outside_filters_by_its_kind(shown, client, large):
    shown.click("label", node="k:net")
    (call,) = shown.calls()
    found = client.count(index=large.index(INDEX), query=call["args"][0])["count"]
    assert found == sum("net" in {each["source_type"], each["dest_type"]} for each in LARGE) > 0


def test_the_largest_workloads_are_shown_and_the_rest_is_folded_and_said_so(shown):
    shown.click("node", node=f"n:{LARGEST}")
    nodes = shown.marks("node")
    more = next(each for each in nodes if each["node"] == "more")
    kept = [each for each in nodes if each["node"] != "more"]
    assert len(kept) == 40
    assert int(more["label"].removeprefix("and ").removesuffix(" more")) > 0
    assert "the rest folded into one" in shown.texts("note")[0]
    sizes = dict.fromkeys((node for between in count(LARGE, within(LARGEST)) for node in between), 0)
    for between, each in count(LARGE, within(LARGEST)).items():
        for node in between:
            sizes[node] += each.connections
    assert max(sizes, key=sizes.__getitem__) in {each["label"] for each in kept}


def test_what_was_too_small_to_be_fetched_is_said(graph, client, large):
    spec = answered("service-graph", client, large)
    aggregations = spec["data"][0]["values"]["aggregations"]["reported"]["verdicts"]["buckets"]["allowed"]
    del aggregations["namespaces"]["buckets"][-3:]
    graph.show(spec)
    assert "of the connections are drawn, the smallest edges left out" in graph.texts("note")[0]


def test_width_is_by_connections_or_by_bytes(shown):
    by_connections = {each["edge"]: each["line"] for each in shown.marks("link")}
    shown.choose("bytes")
    by_bytes = {each["edge"]: each["line"] for each in shown.marks("link")}
    assert by_connections != by_bytes
    largest = max(shown.marks("link"), key=lambda each: each["bytes"])
    assert by_bytes[largest["edge"]] == max(by_bytes.values())


@pytest.mark.parametrize("size", [SIZE, (700, 420)])
@pytest.mark.parametrize("focus", [None, LARGEST])
def test_no_label_is_cut_off_or_stands_on_another(shown, focus, size):
    if focus:
        shown.click("node", node=f"n:{focus}")
    shown.resize(*size)
    boxes = shown.boxes("label")
    assert boxes
    assert not overlaps(boxes)
    assert not outside(boxes, size)


@pytest.mark.parametrize("given", ["nobody", "nothing"])
def test_no_index_or_an_empty_one_shows_a_hint(graph, client, large, nobody, given):
    empty = nobody if given == "nobody" else replace(large, start=0, end=1)
    graph.show(answered("service-graph", client, empty))
    assert "Nothing was seen here" in graph.texts("hint")[0]
    assert not graph.marks("node")


def test_names_with_anything_in_them_go_through_graph_and_filters_whole(graph, client, nasty):
    graph.show(answered("service-graph", client, nasty))
    documents = list(made.nasty())
    assert drawn(graph) == expected(count(documents, of_namespaces))
    for name in made.NASTY:
        edge = next(each for each in graph.marks("link") if each["from_label"] == name)
        graph.click("link", edge=edge["edge"])
        (call,) = graph.calls()
        found = client.count(index=nasty.index(INDEX), query=call["args"][0])["count"]
        assert found == sum(each["source_namespace"] == name for each in documents)
        assert graph.hover("node", node=f"n:{name}")["title"] == name
        graph.click("node", node=f"n:{name}")
        assert drawn(graph) == expected(count(documents, within(name)))
        graph.click("node", node=f"w:{name} in")
        (call,) = graph.calls()
        assert client.count(index=nasty.index(INDEX), query=call["args"][0])["count"] == found
        graph.click("back")

"""FlowViz in a browser: its ribbons, what they say, and the filters that it sets."""

from collections import defaultdict
from dataclasses import replace

import pytest

from tests.dashboards.graphs import made
from tests.dashboards.graphs.browser import SIZE, answered
from tests.dashboards.graphs.counting import WORDS, verdict
from tests.dashboards.graphs.reading import outside, overlaps

INDEX = "flowtier_edges.*.hour.*"
FEW = list(made.nasty())


def names(document):
    """What stands in the four columns for a document."""
    return (
        document["source_namespace"],
        document["source_workload"],
        f"{document['dest_namespace']} / {document['dest_workload']}",
        f"{document['proto']} {document['dest_port']}",
    )


def expected(documents):
    """Connections and bytes, and connections by reporter, of every ribbon."""
    found: defaultdict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for each in documents:
        columns = names(each)
        for gap in range(3):
            figures = found[columns[gap], columns[gap + 1], verdict(each)]
            if each["counted"]:
                figures[0] += each["connections"]
                figures[1] += each["bytes_client"] + each["bytes_server"]
            figures[3 if each["reporter"] == "dst" else 2] += each["connections"]
    return dict(found)


@pytest.fixture
def few(graph, client, nasty):
    graph.show(answered("flowviz", client, nasty))
    return graph


def test_ribbons_are_those_of_the_documents(few):
    drawn = {
        (each["from_name"], each["to_name"], WORDS[each["rank"]]): [
            each[name] for name in ("connections", "bytes", "by_source", "by_dest")
        ]
        for each in few.marks("ribbon")
    }
    assert drawn == expected(FEW)


def test_hover_says_what_a_ribbon_counts(few):
    source, dest, word = next(iter(expected(FEW)))
    connections, size, by_source, by_dest = expected(FEW)[source, dest, word]
    assert few.hover("ribbon", from_name=source, to_name=dest) == {
        "title": f"{source} → {dest}",
        "Verdict": word,
        "Connections": f"{connections:,}",
        "Bytes": f"{size:,}",
        "By source / destination": f"{by_source:,} / {by_dest:,}",
    }


def test_a_click_filters_by_what_was_clicked(few, client, nasty):
    for name in made.NASTY:
        for mark, fields, column in (
            ("bar", {"name": name}, 0),
            ("label", {"name": f"{name} in"}, 1),
            ("ribbon", {"from_name": name, "to_name": f"{name} in"}, 0),
        ):
            few.click(mark, **fields)
            (call,) = few.calls()
            assert (call["name"], call["args"][1]) == ("kibanaAddFilter", INDEX)
            found = client.count(index=nasty.index(INDEX), query=call["args"][0])["count"]
            wanted = name if column == 0 else f"{name} in"
            assert found == sum(names(each)[column] == wanted for each in FEW) > 0


def test_ports_and_destinations_filter_too(few, client, nasty):
    for name, column in (("tcp 80", 3), ("it's / it's out", 2)):
        few.click("bar", name=name)
        (call,) = few.calls()
        found = client.count(index=nasty.index(INDEX), query=call["args"][0])["count"]
        assert found == sum(names(each)[column] == name for each in FEW) > 0


def test_what_is_allowed_can_be_left_out(few):
    few.choose("all but allowed", nth=1)
    shown = {WORDS[each["rank"]] for each in few.marks("ribbon")}
    assert shown == {verdict(each) for each in FEW} - {"allowed"}


def test_the_largest_are_on_top_and_the_rest_is_folded_and_said_so(graph, client, large):
    graph.show(answered("flowviz", client, large))
    bars = [each for each in graph.marks("bar") if each["column"] == 1]
    assert next(each["name"] for each in bars if each["last"]).startswith("and ")
    kept = [each for each in bars if not each["last"]]
    assert len(kept) == 22
    assert [each["weight"] for each in sorted(kept, key=lambda each: each["top"])] == sorted(
        (each["weight"] for each in kept), reverse=True
    )
    assert "the rest folded into one" in graph.texts("note")[0]
    assert "of the connections are drawn" in graph.texts("note")[0]


@pytest.mark.parametrize("size", [SIZE, (800, 480)])
def test_no_label_is_cut_off_or_stands_on_another(graph, client, large, size):
    graph.show(answered("flowviz", client, large))
    graph.resize(*size)
    boxes = graph.boxes("label")
    assert boxes
    assert not overlaps(boxes)
    assert not outside(boxes, size)


@pytest.mark.parametrize("given", ["nobody", "nothing"])
def test_no_index_or_an_empty_one_shows_a_hint(graph, client, large, nobody, given):
    graph.show(answered("flowviz", client, nobody if given == "nobody" else replace(large, start=0, end=1)))
    assert "Nothing was seen here" in graph.texts("hint")[0]
    assert not graph.marks("bar")

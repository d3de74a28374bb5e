"""The summary counts each connection once, whoever logged it, and names what is not known."""

from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pipeline.impact import Edge, summarise
from pipeline.report import human_bytes, render

POLICY = "snp:shop/cart"


def document(reporter="src", started=1, size=10, source="wep", **verdict):
    decision = {"action": "allow"}
    scopes = {"enforced": decision, "pending": decision, "promoted": decision}
    return {
        "reporter": reporter,
        "source_type": source,
        "source_namespace": "shop" if source == "wep" else "-",
        "source_name_aggr": "web-5d4-*" if source == "wep" else "pub",
        "source_labels": {"labels": ["pod-template-hash=5d4"]} if source == "wep" else None,
        "dest_type": "wep",
        "dest_namespace": "shop",
        "dest_name_aggr": "cart-*",
        "dest_labels": None,
        "dest_port": 7070,
        "proto": "tcp",
        "num_flows_started": started,
        "num_flows": 9,
        "bytes_in": size,
        "bytes_out": 0,
        "verdict": {**scopes, "impact": "none", "agrees": "yes", **verdict},
    }


def test_totals_take_the_source_and_the_destination_only_where_no_source_logs():
    summary = summarise([document(), document("dst"), document("dst", source="net")])
    assert (summary.documents, summary.connections, summary.bytes) == (3, 2, 20)


def test_a_connection_that_both_sides_deny_counts_once():
    both = [document(r, started=5, size=7, staged_deny=[POLICY]) for r in ("src", "dst")]
    assert summarise(both).staged[POLICY]["staged_deny"].totals == (1, 5, 7)


def test_what_only_the_destination_judges_counts_too():
    only = [document(staged_deny=[]), document("dst", started=3, staged_deny=[POLICY])]
    effect = summarise(only).staged[POLICY]["staged_deny"]
    assert effect.top(3) == [(Edge("shop/web", "shop/cart", "tcp/7070"), 3, 10)]


def test_a_connection_that_goes_on_is_counted_where_it_began():
    assert summarise([document(started=1), document(started=0), document(started=0)]).connections == 1


def test_unknowns_carry_their_reasons():
    summary = summarise([document(staged_unknown=[POLICY], unknown=["dest_ip"], impact="unknown")])
    assert summary.staged[POLICY]["staged_unknown"].reasons == {"dest_ip": 1}
    assert summary.unknown == {"dest_ip": 1}


def test_forwarded_flows_are_counted_and_not_judged():
    forwarded = document() | {"verdict": {"unjudged": "forwarded"}}
    summary = summarise([forwarded])
    assert summary.unjudged == {"forwarded": 1}
    assert summary.verdicts["enforced"].total() == 0


@given(st.permutations([document(r, n) for r, n in product(("src", "dst"), (1, 2, 3))]), st.integers(0, 6))
def test_order_and_split_of_the_documents_do_not_matter(documents, split):
    whole = summarise(documents, [POLICY])
    parts = summarise([*documents[split:], *documents[:split]], [POLICY])
    assert whole == parts


def test_a_staged_policy_without_effect_is_listed():
    console = Console(record=True, width=100)
    render(summarise([document()], [POLICY]), console)
    said = console.export_text()
    assert POLICY in said
    assert "changes nothing that was seen" in said


def test_sizes_are_written_in_the_largest_unit_that_fits():
    assert [human_bytes(n) for n in (0, 999, 1000, 2_500_000, 10**15)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "2.5 MB",
        "1000.0 TB",
    ]

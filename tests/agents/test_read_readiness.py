"""The figures of readiness, as the real Elasticsearch tells them, are what counting one by one gives."""

import random
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest
from elasticsearch import ApiError

from agents.read_readiness import ReadReadiness
from pipeline.edge_documents import hour_of_week
from pipeline.policy.policies import Policies, Policy, PolicyKey
from pipeline.policy.selector import parse
from pipeline.readiness import Figures
from pipeline.settings import Settings
from pipeline.staged_policies import Staged
from tests.agents.rolled_up import DAY, HOUR, edge, put_edges, put_policies

MONDAY = 1_790_553_600_000 - 1_790_553_600_000 % (7 * DAY) + 4 * DAY
AT = MONDAY + 11 * DAY + 12_345
CART = Staged("snp:shop/cart", "default", "shop", ("shop/api", "shop/cart"), ("ingress",), None)
OTHER = 'snp:shop/ö "other"'


@pytest.fixture
def settings(unique, monkeypatch) -> Settings:
    monkeypatch.setenv("FLOWTIER_CLUSTER", unique)
    return Settings()


@pytest.fixture
def reader(settings, search) -> ReadReadiness:
    return ReadReadiness(settings, search)


def some_edges(count: int) -> list[dict[str, Any]]:
    chosen = random.Random(7)
    return [
        edge(
            MONDAY + chosen.randrange(10 * 24) * HOUR,
            chosen.choice(["web", "job", "cart"]),
            chosen.choice(["cart", "cart", "web"]),
            reporter=chosen.choice(["src", "dst"]),
            connections=chosen.randrange(5),
            flows=chosen.randrange(1, 5),
            bytes_client=chosen.randrange(1_000),
            verdict=chosen.choice([
                {},
                {"staged_deny": [CART.policy, OTHER]},
                {"staged_deny": [OTHER]},
                {"staged_allow": [CART.policy], "enforced": {"action": "deny"}},
                {"staged_unknown": [CART.policy], "unknown": ["pod", "dest_ip"]},
                {"enforced": None, "unjudged": "host_endpoint"},
                {"agrees": "action"},
                {"agrees": "rule"},
                {"direction": "forward", "enforced": None, "unjudged": "forwarded"},
            ]),
        )
        for _ in range(count)
    ]  # fmt: skip


def counted(documents: list[dict[str, Any]], staged: Staged) -> Figures:
    """The figures once more, document by document."""
    ours, unknown, active = [], [], set()
    effects: dict[str, Any] = {
        name: defaultdict(lambda: defaultdict(lambda: [0, 0])) for name in ("deny", "allow")
    }
    recent = [each for each in documents if staged.since is None or each["@timestamp"] >= staged.since]
    for each in documents:
        if each["workload"] in staged.workloads and each["verdict"]["direction"] in staged.directions:
            active.add(each["hour_of_week"])
            if each in recent and each["verdict"]["enforced"]:
                ours.append(each)
    for each in recent:
        verdict = each["verdict"]
        for name, edges in effects.items():
            if staged.policy in verdict.get(f"staged_{name}", ()):
                sums = edges[each["edge"]][each["reporter"]]
                sums[0] += each["connections"]
                sums[1] += each["bytes_client"] + each["bytes_server"]
        if staged.policy in verdict.get("staged_unknown", ()):
            unknown.append(each)
            if each not in ours and verdict["direction"] in staged.directions:
                ours.append(each)
    cut, opened = (
        [[max(each[n] for each in by.values()) for n in (0, 1)] for by in effects[name].values()]
        for name in ("deny", "allow")
    )
    flows = sum(each["flows"] for each in unknown)
    return Figures(
        days=len({each["@timestamp"] // DAY for each in ours}),
        hours_of_week=len({each["hour_of_week"] for each in ours}),
        hours_of_week_active=len(active),
        hours_of_week_watched=len({each["hour_of_week"] for each in recent}),
        hours_behind=(AT - max(each["@timestamp"] for each in documents)) // HOUR,
        edges_cut=len(cut),
        connections_cut=sum(each[0] for each in cut),
        bytes_cut=sum(each[1] for each in cut),
        edges_opened=len(opened),
        connections_opened=sum(each[0] for each in opened),
        flows_judged=sum(each["flows"] for each in ours),
        flows_unknown=flows,
        unknown_reasons={"dest_ip": flows, "pod": flows} if flows else {},
        flows_disagreeing=sum(each["flows"] for each in ours if each["verdict"].get("agrees") == "action"),
        workloads=len(staged.workloads),
        silent_workloads=tuple(sorted({*staged.workloads} - {each["workload"] for each in ours})),
        first=min((each["first"] for each in ours), default=None),
        last=max((each["last"] for each in ours), default=None),
    )


async def test_the_figures_are_those_of_a_count_one_by_one(reader, search, unique):
    documents = some_edges(3_000)
    await put_edges(search, unique, documents)
    await put_edges(search, f"{unique}2", some_edges(10))  # another cluster's
    await put_edges(search, unique, [each | {"window": "day"} for each in some_edges(10)])
    for staged in (
        CART,
        replace(CART, since=MONDAY + 3 * DAY),
        replace(CART, policy=OTHER, directions=("egress", "ingress")),
        replace(CART, workloads=()),
        replace(CART, directions=()),
        replace(CART, since=MONDAY + 100 * DAY),
    ):
        assert await reader.figures(staged, AT) == counted(documents, staged)


async def test_edges_that_are_more_than_one_page_are_all_counted(reader, search, unique):
    many = [
        edge(MONDAY, edge=f"e{number}", reporter=reporter, verdict={"staged_deny": [CART.policy]})
        for number in range(6_000)
        for reporter in ("src", "dst")
    ]
    await put_edges(search, unique, many)
    figures = await reader.figures(CART, AT)
    assert (figures.edges_cut, figures.connections_cut, figures.bytes_cut) == (6_000, 6_000, 660_000)
    assert await reader.denied_edges([CART.policy]) == {CART.policy: 0}  # of the day level


async def test_where_nothing_was_rolled_up_yet_all_workloads_are_silent(reader):
    assert await reader.figures(CART, AT) == Figures(workloads=2, silent_workloads=CART.workloads)
    assert await reader.denied_edges([CART.policy]) == {CART.policy: 0}


async def test_an_index_that_answers_in_part_is_no_answer(reader, search, unique):
    await put_edges(search, unique, [edge(MONDAY), edge(MONDAY + 14 * DAY)])
    name = f"flowtier_edges.{unique}.hour.broken"
    await search.indices.create(
        index=name,
        settings={"index.routing.allocation.require.nobody": "has this"},
        wait_for_active_shards=0,
    )
    try:
        with pytest.raises(ApiError):
            await reader.figures(CART, AT)
    finally:
        await search.indices.delete(index=name)


async def test_edges_ever_denied_are_counted_once_for_each_policy(reader, search, unique):
    denied = [
        edge(MONDAY + n % 3 * DAY, window="day", edge=f"e{n % 50}", verdict={"staged_deny": policies})
        for n in range(300)
        for policies in ([CART.policy], [OTHER, CART.policy] if n % 50 < 20 else [])
    ]
    await put_edges(search, unique, denied)
    assert await reader.denied_edges([CART.policy, OTHER, "snp:shop/new"]) == {
        CART.policy: 50,
        OTHER: 20,
        "snp:shop/new": 0,
    }


def policy(name: str, **changes: Any) -> dict[str, Any]:
    staged = name.startswith("s")
    return {
        "policy": name,
        "staged": staged,
        "tier": "default",
        "rules": ["Allow"],
        "applies_to": ["a/b"],
    } | changes


def revision(name: str, *policies: str) -> Policies:
    keys = [PolicyKey("np", *each.split(":")[1].split("/")) for each in policies]
    return Policies(
        name, (), tuple(Policy(key, "default", None, parse("all()"), frozenset()) for key in keys)
    )


async def test_revisions_go_back_from_that_in_force_in_pages_and_equal_policies_are_kept_once(
    reader, search, unique
):
    names = [f"np:shop/{number:04}" for number in range(1_500)]
    now = MONDAY * 10  # so that all of it is recent
    for day, name in enumerate(["a", "b", "c"]):
        await put_policies(
            search,
            unique,
            name,
            now + day * DAY,
            [policy(each, rules=[name] if each == names[9] else []) for each in names],
        )
    found = await reader.revisions(revision("b", *names))
    assert [(each.revision, each.since) for each in found] == [("b", now + DAY), ("a", now)]
    assert [list(each.policies) for each in found] == [names, names]
    newest, older = (each.policies for each in found)
    assert [name for name in names if newest[name] is not older[name]] == [names[9]]
    again = await reader.revisions(revision("b", *names))
    assert again[1] is found[1]


async def test_a_revision_that_is_not_indexed_in_whole_is_waited_for(reader, search, unique):
    assert await reader.revisions(revision("a", "np:shop/a")) is None
    await put_policies(search, unique, "a", MONDAY, [policy("np:shop/a")])
    assert await reader.revisions(revision("a", "np:shop/a", "np:shop/b")) is None
    assert await reader.revisions(revision("b", "np:shop/a")) is None
    assert [each.revision for each in await reader.revisions(revision("a", "np:shop/a"))] == ["a"]
    assert [each.policies for each in await reader.revisions(revision("empty"))] == [{}]


async def test_revisions_from_before_any_edge_that_is_kept_are_not_read(reader, search, unique):
    for day, name in enumerate("abc"):
        await put_policies(search, unique, name, MONDAY - 1_000 * DAY + day * DAY, [policy("np:shop/a")])
    assert [each.revision for each in await reader.revisions(revision("c", "np:shop/a"))] == ["c"]


def test_monday_is_one():
    assert hour_of_week(MONDAY) == 0

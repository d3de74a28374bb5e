"""Flow documents counted in plain Python: what the roll-ups should say, by none of their code."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import ip_address
from itertools import product
from typing import Any

from pipeline.impact import edge_of
from pipeline.policy.policies import Policies
from pipeline.workload import workload_of
from tests.dashboards.sample import Document, Sample, listed

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
HALF_HOUR_MS = HOUR_MS // 2
MISSING = "__missing__"
FEED = "threat-feed"

type Record = dict[str, Any]
type Row = dict[str, Any]
type Figure = Callable[[list[Record]], Any]
type Where = Callable[[Record], bool]


def records(sample: Sample) -> list[Record]:
    """The flows with what is counted of them beside their own fields, under the names of the roll-ups."""
    return _chosen(sample.whole, *sample.chosen) if sample.chosen else _records(sample)


@lru_cache(maxsize=32)
def _chosen(sample: Sample, name: str, value: str) -> list[Record]:
    return [each for each in _records(sample) if value in values(each, name)]


@lru_cache(maxsize=1)
def _records(sample: Sample) -> list[Record]:
    nets = _threats(sample.policies)
    return [_record(each, nets) for each in sample.flows]


def table(
    sample: Sample,
    by: dict[str, str],
    figures: dict[str, Figure],
    where: Where = lambda _: True,
    missing: Iterable[str] = (),
) -> list[Row]:
    """A row for each value of the fields `by`, by label; a flow with several values is in several rows,
    one without any in none, but for the fields of `missing`."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in filter(where, records(sample)):
        ways = [values(record, name) or ([MISSING] if name in missing else []) for name in by.values()]
        for key in product(*ways):
            groups.setdefault(key, []).append(record)
    if not by:
        groups = {(): groups.get((), [])}
    return [
        {**dict(zip(by, key, strict=True)), **{label: figure(group) for label, figure in figures.items()}}
        for key, group in groups.items()
    ]


def values(record: Record, name: str) -> list[Any]:
    """The values of a field, each once, as in an index."""
    return list(dict.fromkeys(listed(record, name) if name not in record else _as_list(record[name])))


def total(name: str) -> Figure:
    return lambda group: sum(record[name] for record in group)


def total_where(name: str, where: Where) -> Figure:
    return lambda group: sum(record[name] for record in group if where(record))


def share(part: Where, of: Where = lambda _: True) -> Figure:
    """Of the flows."""

    def counted(group: list[Record]) -> float | None:
        whole = sum(map(of, group))
        return sum(of(record) and part(record) for record in group) / whole if whole else None

    return counted


def distinct(name: str) -> Figure:
    return lambda group: len({value for record in group for value in values(record, name)})


def earliest(group: list[Record]) -> int | None:
    return min((record["first"] for record in group), default=None)


def latest(group: list[Record]) -> int | None:
    return max((record["last"] for record in group), default=None)


def has(name: str, *wanted: Any) -> Where:
    """Whether a flow has one of these values in a field; any at all where none is named."""
    return lambda record: any(not wanted or value in wanted for value in values(record, name))


def both(*each: Where) -> Where:
    return lambda record: all(one(record) for one in each)


def larger(name: str) -> Figure:
    """Edge by edge, the larger of what its two ends logged (DESIGN.md §4, Counting)."""

    def counted(group: list[Record]) -> int:
        sums: dict[Any, dict[str, int]] = {}
        for record in group:
            of_edge = sums.setdefault(record["edge"], {})
            of_edge[record["reporter"]] = of_edge.get(record["reporter"], 0) + record[name]
        return sum(max(of_edge.values()) for of_edge in sums.values())

    return counted


def _as_list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _record(flow: Document, nets: "frozenset[Any]") -> Record:
    source, dest = _side(flow, "source"), _side(flow, "dest")
    reporter = flow["reporter"]
    sent, received = ("bytes_in", "bytes_out") if reporter == "dst" else ("bytes_out", "bytes_in")
    ms = flow["@timestamp"]
    peer = "source" if reporter == "dst" else "dest"
    started = flow.get("num_flows_started")
    local = dest if reporter == "dst" else source
    return {
        **flow,
        "half_hour": ms // HALF_HOUR_MS * HALF_HOUR_MS,
        "hour": ms // HOUR_MS * HOUR_MS,
        "day": ms // DAY_MS * DAY_MS,
        "source_workload": source[1],
        "dest_workload": dest[1],
        "workload": local[1] if local[0] == "-" else "/".join(local),
        "edge": str(edge_of(flow)),
        "counted": reporter == "src" or (reporter == "dst" and flow["source_type"] != "wep"),
        "flows": 1,
        "connections": started if started is not None else flow["num_flows"],
        "bytes_client": flow[sent],
        "bytes_server": flow[received],
        "bytes": flow["bytes_in"] + flow["bytes_out"],
        "first": flow["start_time"] * 1000,
        "last": flow["end_time"] * 1000,
        "threats": [FEED] if _is_threat(flow, peer, nets) else [],
    }


def _side(flow: Document, side: str) -> tuple[str, str]:
    name, labels = flow[f"{side}_name_aggr"], (flow.get(f"{side}_labels") or {}).get("labels") or ()
    workload = workload_of(name, labels) if flow[f"{side}_type"] == "wep" else name
    return flow[f"{side}_namespace"] or "-", workload


def _is_threat(flow: Document, side: str, nets: Iterable[Any]) -> bool:
    address = flow.get(f"{side}_ip")
    named = flow[f"{side}_type"] == "ns" and flow[f"{side}_name_aggr"] == FEED
    return named or bool(address and any(ip_address(address) in net for net in nets))


def _threats(policies: Policies) -> frozenset[Any]:
    return frozenset(net for each in policies.network_sets if each.name == FEED for net in each.nets)

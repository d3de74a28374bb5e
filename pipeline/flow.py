"""The flow record and FlowBatch: the columns of a batch of flows and what they mean."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

type Ints = NDArray[np.int64]
type Bools = NDArray[np.bool_]

REPORTERS = ("src", "dst", "fwd")
ACTIONS = ("allow", "deny")
MISSING = -1


class Message(msgspec.Struct, frozen=True, gc=False):
    """One Kafka message of the flows topic and where it stood; `timestamp` in ms since the epoch."""

    value: bytes | None
    topic_id: str
    partition: int
    offset: int
    timestamp: int
    headers: tuple[tuple[str, bytes], ...] = ()


class Endpoint(NamedTuple):
    """What a record says of one side; "" where it says nothing ("-", null, absent)."""

    type: str  # wep hep ns net
    namespace: str
    name: str
    name_aggr: str
    ip: str
    labels: bytes | None  # the raw JSON of *_labels; None = absent or null


class Logged(NamedTuple):
    """What the node logged of its own verdict: `enforced` hits in order of index, newest grammar."""

    enforced: tuple[str, ...] | None  # None = no policies logged


@dataclass(slots=True)
class FlowBatch:
    """Flows as columns of one length n; `MISSING` (-1) where the record says nothing, but counters
    (bytes, packets, num_flows) are 0 there, so that sums stay sums.

    Index columns (source, dest, logged, ...) point into the list of distinct values beside them.
    """

    raw: list[bytes]  # each flow's own JSON object on one line, without the document's added fields
    ids: list[str]  # document id: topic id, partition, offset, row
    start: Ints  # ms since the epoch
    end: Ints  # ms since the epoch
    timed: Bools  # False: the record has no times, both are Kafka's timestamp
    reporter: Ints  # index into REPORTERS
    action: Ints  # index into ACTIONS, or MISSING
    proto: Ints  # IANA protocol number, or MISSING
    source_port: Ints
    dest_port: Ints  # for ICMP: type << 8 | code
    source: Ints  # index into endpoints
    dest: Ints  # index into endpoints
    endpoints: list[Endpoint]
    host: Ints  # index into hosts: the node that logged the record
    hosts: list[str]
    service: Ints  # index into services
    services: list[tuple[str, str, str]]  # namespace, name, port name; "" where missing
    domain: Ints  # index into domains
    domains: list[tuple[str, ...] | None]  # dest_domains; None = not logged
    logged: Ints  # index into logs
    logs: list[Logged]
    bytes_in: Ints  # bytes and packets as the reporter's side sees them
    bytes_out: Ints
    packets_in: Ints
    packets_out: Ints
    num_flows: Ints
    num_flows_started: Ints
    num_flows_completed: Ints

    def __len__(self) -> int:
        return len(self.raw)

    def without(self, rows: Container[int]) -> "FlowBatch":
        """The batch without the flows at `rows`; the lists of distinct values stay as they are."""
        return self.at([row for row in range(len(self)) if row not in rows])

    def at(self, rows: Sequence[int] | Ints) -> "FlowBatch":
        """The flows at `rows` alone; the lists of distinct values stay as they are."""
        columns: dict[str, Any] = {}
        for name in (each.name for each in fields(self)):
            column = getattr(self, name)
            if isinstance(column, np.ndarray):
                columns[name] = column[rows]
        return replace(
            self, raw=[self.raw[row] for row in rows], ids=[self.ids[row] for row in rows], **columns
        )


class Field(NamedTuple):
    """One field of the document: what it means and how Elasticsearch keeps it.

    `type` is the Elasticsearch type; "" = not mapped: kept in the document, neither searched nor
    counted. `searched` False keeps columns only (for sums, sorting and slow filters), no index.
    `decoded`: the library reads it from the record.
    """

    name: str
    type: str
    searched: bool
    decoded: bool
    meaning: str


def _side(side: str, what: str) -> tuple[Field, ...]:
    return (
        Field(f"{side}_type", "keyword", False, True, f"what the {what} is: wep, hep, ns or net"),
        Field(f"{side}_namespace", "keyword", True, True, f"namespace of the {what}"),
        Field(f"{side}_name", "keyword", False, True, f"name of the {what}; - where aggregated"),
        Field(f"{side}_name_aggr", "keyword", True, True, f"aggregated name of the {what}: pods by prefix"),
        Field(f"{side}_ip", "ip", True, True, f"address of the {what}; null where aggregated"),
        Field(f"{side}_port", "integer", side == "dest", True, f"port of the {what}; null where aggregated"),
        Field(f"{side}_labels", "", False, True, f"labels that all pods of the {what} had, as k=v"),
    )


def _decision(scope: str, policies: str) -> tuple[Field, ...]:
    name = f"verdict.{scope}"
    return (
        Field(f"{name}.action", "keyword", True, False, f"allow, deny or unknown, by {policies}"),
        Field(f"{name}.trace", "", False, False, f"the policy hits that led there, by {policies}"),
        Field(f"{name}.tier", "keyword", False, False, f"the tier that decided, by {policies}"),
        Field(f"{name}.policy", "keyword", True, False, f"the policy that decided, by {policies}"),
        Field(f"{name}.rule", "", False, False, "the rule that decided; -1 = end of tier"),
    )


def _kept(names: str, meaning: str) -> tuple[Field, ...]:
    return tuple(Field(name, "", False, False, meaning) for name in names.split())


# The record's own fields (CALICO.md §6), then what the document adds (DESIGN.md §4): the one source for
# decoding, the index template and the docs.
FIELDS: tuple[Field, ...] = (
    Field("start_time", "date", False, True, "start of the interval, seconds since the epoch"),
    Field("end_time", "date", False, True, "end of the interval, seconds since the epoch"),
    Field("host", "keyword", False, True, "the node that logged the flow"),
    Field("reporter", "keyword", True, True, "the side that logged it: src, dst or fwd"),
    Field("action", "keyword", True, True, "what the node did: allow or deny"),
    Field("proto", "keyword", True, True, "protocol, by name or number"),
    *_side("source", "source"),
    *_side("dest", "destination"),
    Field("dest_service_name", "keyword", False, True, "the service that was asked for"),
    Field("dest_service_namespace", "keyword", False, True, "its namespace"),
    Field("dest_service_port", "keyword", False, True, "its port, by name"),
    Field("dest_domains", "keyword", True, True, "names that the destination was resolved by"),
    Field("bytes_in", "long", False, True, "bytes that the reporter's side received"),
    Field("bytes_out", "long", False, True, "bytes that it sent"),
    Field("packets_in", "long", False, True, "packets that the reporter's side received"),
    Field("packets_out", "long", False, True, "packets that it sent"),
    Field("num_flows", "long", False, True, "connections active within the interval"),
    Field("num_flows_started", "long", False, True, "connections started within it"),
    Field("num_flows_completed", "long", False, True, "connections completed within it"),
    Field("policies.enforced_policies", "", False, True, "the node's own trace of what it enforced"),
    Field("policies.all_policies", "", False, True, "the same with staged hits; read where the former lacks"),
    Field("policies.pending_policies", "", False, False, "the node's trace with every staged policy"),
    Field("policies.transit_policies", "", False, False, "the node's trace of forwarded traffic"),
    *_kept("dest_service_port_num", "port number of the service"),
    *_kept("process_name process_id process_args", "the process on the reporter's side"),
    *_kept("num_process_names num_process_ids num_process_args", "how many of these there were"),
    *_kept("nat_outgoing_ports", "ports after source NAT"),
    *_kept("original_source_ips num_original_source_ips", "clients behind a proxy, from its headers"),
    *_kept("http_requests_allowed_in http_requests_denied_in", "HTTP requests by what became of them"),
    *_kept(
        "tcp_mean_send_congestion_window tcp_min_send_congestion_window tcp_mean_smooth_rtt "
        "tcp_max_smooth_rtt tcp_mean_min_rtt tcp_max_min_rtt tcp_mean_mss tcp_min_mss "
        "tcp_total_retransmissions tcp_lost_packets tcp_unrecovered_to",
        "TCP statistics of the node",
    ),
    Field("@timestamp", "date", True, False, "end of the interval, ms since the epoch"),
    Field("cluster", "keyword", True, False, "the cluster, from the settings"),
    Field("verdict.namespace", "keyword", True, False, "namespace of the judged side"),
    Field("verdict.direction", "keyword", True, False, "egress, ingress, or forward where unjudged"),
    *_decision("enforced", "the enforced policies"),
    *_decision("pending", "Calico's pending evaluation: every staged policy is one more policy"),
    *_decision("promoted", "the enforced policies with every staged one in its place"),
    Field("verdict.impact", "keyword", True, False, "none, newly_denied, newly_allowed or unknown"),
    Field("verdict.staged_deny", "keyword", True, False, "staged policies that alone would deny this flow"),
    Field("verdict.staged_allow", "keyword", True, False, "staged policies that alone would allow this flow"),
    Field("verdict.staged_unknown", "keyword", True, False, "staged policies whose own effect is unknown"),
    Field("verdict.unknown", "keyword", True, False, "what is missing: source_ip, pod, domain, …"),
    Field("verdict.unjudged", "keyword", True, False, "why there is no verdict: forwarded, host_endpoint"),
    Field("verdict.agrees", "keyword", True, False, "with the node: yes, action, rule, stale, none_logged"),
    Field("verdict.time_from", "keyword", False, False, "kafka where the record itself has no times"),
    Field("verdict.revision", "keyword", True, False, "the policies that judged it"),
)


def fields_table() -> str:
    """The document's fields as a Markdown table for the README."""
    rows = [
        f"| `{field.name}` | {field.type or 'kept'} | {'yes' if field.searched else ''} | {field.meaning} |"
        for field in FIELDS
    ]
    return "\n".join(["| field | type | searched | meaning |", "| --- | --- | --- | --- |", *rows, ""])

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.decode import decode
from pipeline.flow import ACTIONS, REPORTERS, FlowBatch
from tests.pipeline.flow_records import message

CASES = Path(__file__).parent.parent / "conformance" / "data" / "oracle_cases.jsonl.gz"

GOLDMANE: dict[str, Any] = {
    "Key": {
        "source_name": "web-6b687c8dcb-*",
        "source_namespace": "shop",
        "source_type": 1,
        "dest_name": "pub",
        "dest_namespace": "-",
        "dest_type": 4,
        "dest_port": 443,
        "dest_service_name": "-",
        "dest_service_namespace": "-",
        "dest_service_port_name": "-",
        "proto": "tcp",
        "reporter": 1,
        "action": 1,
        "policies": {
            "enforced_policies": [
                {
                    "kind": 10,
                    "tier": "security",
                    "action": 3,
                    "rule_index": -1,
                    "trigger": {"kind": 2, "name": "p"},
                },
                {"kind": 9, "name": "kns.shop", "action": 1, "policy_index": 1},
            ]
        },
    },
    "start_time": 1_700_000_000,
    "end_time": 1_700_000_300,
    "source_labels": ["app=web"],
    "bytes_in": 1,
    "bytes_out": 2,
    "packets_in": 3,
    "packets_out": 4,
    "num_connections_started": 5,
    "num_connections_live": 7,
}

# The same as protobuf's own JSON has it: camelCase, enums by name, 64-bit integers as text.
PROTOJSON: dict[str, Any] = {
    "Key": {
        "sourceName": "web-6b687c8dcb-*",
        "sourceNamespace": "shop",
        "sourceType": "WorkloadEndpoint",
        "destName": "pub",
        "destNamespace": "-",
        "destType": "Network",
        "destPort": "443",
        "destServiceName": "-",
        "destServiceNamespace": "-",
        "destServicePortName": "-",
        "proto": "tcp",
        "reporter": "Src",
        "action": "Allow",
        "policies": {
            "enforcedPolicies": [
                {
                    "kind": "EndOfTier",
                    "tier": "security",
                    "action": "Pass",
                    "ruleIndex": "-1",
                    "trigger": {"kind": "GlobalNetworkPolicy", "name": "p"},
                },
                {"kind": "Profile", "name": "kns.shop", "action": "Allow", "policyIndex": "1"},
            ]
        },
    },
    "startTime": "1700000000",
    "endTime": "1700000300",
    "sourceLabels": ["app=web"],
    "bytesIn": "1",
    "bytesOut": "2",
    "packetsIn": "3",
    "packetsOut": "4",
    "numConnectionsStarted": "5",
    "numConnectionsLive": "7",
}

WHISKER: dict[str, Any] = {
    "start_time": "2023-11-14T22:13:20Z",
    "end_time": "2023-11-14T22:18:20Z",
    "action": "Deny",
    "source_name": "PRIVATE NETWORK",
    "source_namespace": "Global",
    "source_labels": "",
    "dest_name": "web",
    "dest_namespace": "shop",
    "dest_labels": "app=web | tier=front",
    "protocol": "tcp",
    "dest_port": 8080,
    "reporter": "Dst",
    "policies": {
        "enforced": [
            {
                "kind": "EndOfTier",
                "name": "",
                "namespace": "",
                "tier": "default",
                "action": "Deny",
                "policy_index": 0,
                "rule_index": -1,
                "trigger": {
                    "kind": "CalicoNetworkPolicy",
                    "name": "p",
                    "namespace": "shop",
                    "tier": "default",
                    "action": "ActionUnspecified",
                    "policy_index": 0,
                    "rule_index": 0,
                    "trigger": None,
                },
            }
        ],
        "pending": None,
    },
    "packets_in": 1,
    "packets_out": 2,
    "bytes_in": 3,
    "bytes_out": 4,
}


def decode_one(value: bytes) -> FlowBatch:
    decoded = decode([message(value)])
    assert decoded.rejects == []
    return decoded.batch


def flow(batch: FlowBatch) -> dict[str, Any]:
    source, dest = batch.endpoints[batch.source[0]], batch.endpoints[batch.dest[0]]
    return {
        "action": ACTIONS[batch.action[0]],
        "reporter": REPORTERS[batch.reporter[0]],
        "src_name_aggr": source.name_aggr,
        "src_namespace": source.namespace or "-",
        "src_type": source.type,
        "dst_name_aggr": dest.name_aggr,
        "dst_namespace": dest.namespace or "-",
        "dst_type": dest.type,
    }


def oracle_cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(CASES.read_bytes()).splitlines()]


def test_every_goldmane_flow_of_the_oracle_says_what_the_flow_log_of_its_case_says():
    cases = oracle_cases()
    for case in cases:
        example = case["goldmane_example"]
        batch = decode_one(json.dumps(example).encode())
        said, trace = flow(batch), batch.logs[batch.logged[0]].enforced
        side, of = ("src", "egress") if said["reporter"] == "src" else ("dst", "ingress")
        assert any(
            logged.get(f"flowlog_{side}") == said
            and (logged["proto"], logged["dst_port"]) == (batch.proto[0], max(batch.dest_port[0], 0))
            and tuple(logged[of]["enforced_flowlog_trace"]) == trace
            for logged in case["flows"]
        ), case["id"]
        labels = batch.endpoints[batch.dest[0]].labels
        assert (json.loads(labels)["labels"] if labels else []) == example.get("dest_labels", [])
    assert len(cases) == 240


@pytest.mark.parametrize(
    "value",
    [GOLDMANE, PROTOJSON, {"id": "5", "flow": PROTOJSON}],
    ids=["plain", "protobuf's JSON", "streamed"],
)
def test_goldmane_is_read_in_every_way_that_it_is_written(value):
    batch = decode_one(json.dumps(value).encode())
    assert json.loads(batch.raw[0]) == {
        "start_time": 1_700_000_000,
        "end_time": 1_700_000_300,
        "reporter": "src",
        "action": "allow",
        "proto": "tcp",
        "source_type": "wep",
        "source_name_aggr": "web-6b687c8dcb-*",
        "source_namespace": "shop",
        "source_labels": {"labels": ["app=web"]},
        "dest_type": "net",
        "dest_name_aggr": "pub",
        "dest_namespace": "-",
        "dest_port": 443,
        "dest_service_name": "-",
        "dest_service_namespace": "-",
        "dest_service_port": "-",
        "bytes_in": 1,
        "bytes_out": 2,
        "packets_in": 3,
        "packets_out": 4,
        "num_flows": 7,
        "num_flows_started": 5,
        "policies": {"enforced_policies": ["0|security|gnp:p|pass|-1", "1|__PROFILE__|pro:kns.shop|allow|0"]},
    }


def test_whisker_is_read_as_it_is_written():
    batch = decode_one(json.dumps(WHISKER).encode())
    assert json.loads(batch.raw[0]) == {
        "start_time": 1_700_000_000,
        "end_time": 1_700_000_300,
        "reporter": "dst",
        "action": "deny",
        "proto": "tcp",
        "source_type": "net",
        "source_name_aggr": "pvt",
        "source_namespace": "-",
        "dest_type": "wep",
        "dest_name_aggr": "web",
        "dest_namespace": "shop",
        "dest_labels": {"labels": ["app=web", "tier=front"]},
        "dest_port": 8080,
        "bytes_in": 3,
        "bytes_out": 4,
        "packets_in": 1,
        "packets_out": 2,
        "policies": {"enforced_policies": ["0|default|np:shop/p|deny|-1"]},
    }


def test_whisker_does_not_say_what_a_peer_is_that_may_be_a_pod_or_a_network_set():
    batch = decode_one(json.dumps(WHISKER | {"source_name": "web", "source_namespace": "shop"}).encode())
    assert batch.endpoints[batch.source[0]].type == ""


def test_server_sent_events_are_the_flows_in_their_data():
    event = b"event: message\nid: 7\ndata: " + json.dumps(WHISKER).encode() + b"\n\n"
    decoded = decode([message(b": hello\n" + event + event)])
    assert decoded.rejects == []
    assert len(decoded.batch) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"action": 9},
        {"reporter": 0},
        {"dest_port": "http"},
        {"dest_type": []},
        {"policies": 5},
        {"proto": 17},
    ],
    ids=str,
)
def test_a_broken_goldmane_flow_is_one_reject_or_says_less(change):
    value = json.dumps(GOLDMANE | {"Key": GOLDMANE["Key"] | change}).encode()
    decoded = decode([message(value + b"\n" + json.dumps(GOLDMANE).encode())])
    assert len(decoded.batch) + len(decoded.rejects) == 2
    assert len(decoded.batch) >= 1


def test_a_hit_of_a_kind_that_nobody_knows_leaves_the_trace_unread():
    hits = {"enforced_policies": [{"kind": 99, "tier": "t", "name": "p", "action": 1}]}
    batch = decode_one(json.dumps(GOLDMANE | {"Key": GOLDMANE["Key"] | {"policies": hits}}).encode())
    assert batch.logs[batch.logged[0]].enforced is None

"""What the benchmarks of the spine run on: the sample cluster with 100 policies, and its flows by size."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import orjson
import yaml

from deploy.demo.generate import INTERVAL, SEED, window_until, write_sample
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.judge import Judge
from pipeline.policy.load import Loaded, load_paths
from pipeline.policy.revision import to_policies
from pipeline.record import Record

POLICIES, FLOWS, HOURS, MAX_CELLS = 100, 60_000, 26, 4096
LONG_AGO = datetime(2026, 1, 20, tzinfo=UTC)
MANY = 500  # flows of one message, where it holds many

_CALICOS_ORDER = (*Record.__struct_encode_fields__, "dest_service_port_num")
_NOTHING = (None, "-")


@dataclass(frozen=True, slots=True)
class Sample:
    """The sample cluster: what to publish, what it amounts to, and flows as Calico writes them."""

    directory: Path
    loaded: Loaded
    lines: list[bytes]

    def judge(self) -> Judge:
        """A judge that remembers nothing yet."""
        facts = Facts.from_resources(resource.plain for resource in self.loaded.facts)
        return Judge(to_policies(self.loaded), facts, "bench", 0, MAX_CELLS)


@cache
def sample(end: datetime = LONG_AGO) -> Sample:
    """The sample cluster in the day before `end`, with POLICIES policies that apply to every pod or some."""
    folder = Path(mkdtemp(prefix="flowtier-benchmark-"))
    written = write_sample(folder, window_until(end, HOURS, INTERVAL), FLOWS, SEED)
    known = to_policies(load_paths([written.policies, written.facts]))
    more = [pass_tier(), *map(matches_nothing, range(POLICIES - len(known.policies)))]
    (written.policies / "more.yaml").write_text(yaml.safe_dump_all(more))
    loaded = load_paths([written.policies, written.facts])
    assert len(to_policies(loaded).policies) == POLICIES
    return Sample(folder, loaded, written.flow_log.read_bytes().splitlines())


def in_full(lines: Sequence[bytes]) -> list[bytes]:
    """The records with every field, in the order in which Calico writes them: 1.1 kB."""
    return [orjson.dumps(_ordered(orjson.loads(line))) for line in lines]


def short(lines: Sequence[bytes]) -> list[bytes]:
    """The same without labels, without what says nothing (null, "-"), and of the node's trace only what
    decided: 600 bytes."""
    return [orjson.dumps(_without_much(_ordered(orjson.loads(line)))) for line in lines]


def one_by_one(lines: Sequence[bytes]) -> list[bytes]:
    """The records in full, as if no two connections had been logged as one: each has its own addresses
    and source port, so that no two flows have the same ends."""
    records = [_ordered(orjson.loads(line)) for line in lines]
    for number, record in enumerate(records):
        address = f"{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        record |= {
            "source_ip": f"10.{address}",
            "dest_ip": f"11.{address}",
            "source_port": 1024 + number % 50_000,
        }
    return [orjson.dumps(record) for record in records]


def busy(lines: Sequence[bytes]) -> list[bytes]:
    """The records of HOURS in the last one of them: as many an interval as a cluster logs that has ten
    million a week."""
    records = [orjson.loads(line) for line in lines]
    last = max(record["end_time"] for record in records)
    for record in records:
        moved = (last - (last - record["end_time"]) // HOURS) // INTERVAL * INTERVAL - record["end_time"]
        record |= {name: record[name] + moved for name in ("start_time", "end_time")}
    return [orjson.dumps(record) for record in records]


def messages(lines: Sequence[bytes], each: int) -> list[Message]:
    """The lines in messages of `each` flows."""
    return [
        Message(b"\n".join(lines[at : at + each]), "bench", 0, at, 0) for at in range(0, len(lines), each)
    ]


def _ordered(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in _CALICOS_ORDER if name in record}


def _without_much(record: dict[str, Any]) -> dict[str, Any]:
    trace = (record["policies"] or {}).get("enforced_policies", [])
    record |= {"policies": {"enforced_policies": trace[-1:]}, "source_labels": None, "dest_labels": None}
    return {name: value for name, value in record.items() if value not in _NOTHING}


def pass_tier() -> dict[str, Any]:
    spec = {"order": 250, "defaultAction": "Pass"}
    return {"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": {"name": "more"}, "spec": spec}


def matches_nothing(number: int) -> dict[str, Any]:
    """A policy of 3 rules that selects every pod and matches no flow; a tenth of them are staged."""
    peers = [
        {"action": "Deny", "protocol": "TCP", "source": {"selector": f"app == 'none-{number}-{n}'"}}
        for n in range(3)
    ]
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "GlobalNetworkPolicy" if number % 10 else "StagedGlobalNetworkPolicy",
        "metadata": {"name": f"more.none-{number}"},
        "spec": {
            "tier": "more",
            "order": number,
            "types": ["Ingress", "Egress"],
            "ingress": peers,
            "egress": peers,
        },
    }

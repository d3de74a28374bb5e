"""Flows of a small cluster as JSON lines, what they teach, and what is proposed from it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import batched
from typing import Any

import orjson

from pipeline.addresses import networks_of
from pipeline.facts import Facts
from pipeline.flow import Message
from pipeline.judge import Judge
from pipeline.policy.load import Loaded, load_texts
from pipeline.policy.policies import Policies
from pipeline.policy.revision import to_policies
from pipeline.recommend.offline import EVER, Lessons, learn_flows
from pipeline.recommend.recommend import recommend
from pipeline.recommend.recommendation import Decision, Options, Recommendation
from pipeline.recommend.render import to_yaml
from pipeline.recommend.widen import private

MONDAY = 1_768_176_000  # s since the epoch, 2026-01-12 00:00 UTC, a whole hour
DAY = 24  # hours
DNS = "kube-system/coredns"


def flow(source: str, dest: str, port: int | None = 8080, hour: float = 0, **changes: Any) -> dict[str, Any]:
    """A flow that is complete. A party is a workload ("namespace/name"), an address, "pub" or "pvt"."""
    at = MONDAY + int(hour * 3_600)
    record = {
        "start_time": at,
        "end_time": at + 300,
        "reporter": "src",
        "action": "allow",
        "proto": "tcp",
        "host": "node-1",
        "source_port": None,
        "dest_port": port,
        "num_flows": 1,
        "num_flows_started": 1,
        "num_flows_completed": 1,
        "bytes_in": 100,
        "bytes_out": 200,
        "packets_in": 2,
        "packets_out": 3,
    }
    return record | _end("source", source) | _end("dest", dest) | changes


def _end(side: str, party: str) -> dict[str, Any]:
    namespace, slash, name = party.partition("/")
    if not slash:
        ip = None if party in ("pub", "pvt") else party
        region = party if ip is None else "pvt" if any(map(private, networks_of([party]))) else "pub"
        said: dict[str, Any] = {"type": "net", "namespace": "-", "name": "-", "name_aggr": region}
        said["ip"] = ip
    else:
        app = {"k8s-app": "kube-dns"} if party == DNS else {"app": name}
        said = {"type": "wep", "namespace": namespace, "name": "-", "name_aggr": f"{name}-6b68-*", "ip": None}
        said["labels"] = labels(**app, **{"pod-template-hash": "6b68"})
    return {f"{side}_{key}": value for key, value in said.items()}


def labels(**pairs: str) -> dict[str, list[str]]:
    """As flow logs write them."""
    return {"labels": [f"{key}={value}" for key, value in pairs.items()]}


def both_sides(source: str, dest: str, port: int | None = 8080, **changes: Any) -> list[dict[str, Any]]:
    """The two records of traffic between pods."""
    return [flow(source, dest, port, **changes), flow(source, dest, port, **changes, reporter="dst")]


@dataclass(frozen=True)
class Cluster:
    """Policies and facts, as manifests say."""

    policies: Policies
    facts: Facts

    @classmethod
    def of(cls, manifests: str | bytes = "") -> "Cluster":
        text = manifests if isinstance(manifests, bytes) else manifests.encode()
        loaded = load_texts([("manifests.yaml", text)])
        loaded.require()
        return cls(to_policies(loaded), cls.facts_of(loaded))

    @staticmethod
    def facts_of(loaded: Loaded) -> Facts:
        return Facts.from_resources(each.plain for each in loaded.facts)

    @property
    def judge(self) -> Judge:
        return Judge(self.policies, self.facts, "test", 0, 4096)

    def lessons(
        self, flows: Iterable[Mapping[str, Any]], size: int = 20_000, denied: bool = False
    ) -> Lessons:
        """What flows teach, in batches of so many."""
        lessons = Lessons(replace(EVER, denied=denied))
        for _ in learn_flows(messages(flows, size), self.judge, lessons):
            pass
        return lessons

    def recommend(
        self,
        flows: Iterable[Mapping[str, Any]] | Lessons,
        options: Options | None = None,
        decisions: Sequence[Decision] = (),
        now: float | None = None,
    ) -> list[Recommendation]:
        """`now` in hours since MONDAY."""
        own = options or Options()
        lessons = flows if isinstance(flows, Lessons) else self.lessons(flows, denied=own.learn_denied)
        known = lessons.known(own.lookback_days)
        at = None if now is None else int((MONDAY + now * 3_600) * 1_000)
        return recommend(known, self.policies, self.facts, own, {each.name: each for each in decisions}, at)


NO_POLICIES = Cluster.of()


def messages(flows: Iterable[Mapping[str, Any]], size: int) -> Iterator[list[Message]]:
    """Batches of messages, one flow each."""
    for batch in batched(enumerate(flows), size):
        yield [Message(orjson.dumps(each), "test", 0, number, 0) for number, each in batch]


def yaml_of(recommendations: Iterable[Recommendation]) -> str:
    """All manifests, as files of one directory would hold them."""
    return "---\n".join(to_yaml(each.manifest) for each in recommendations)


def by_name(recommendations: Iterable[Recommendation]) -> dict[str, Recommendation]:
    """By the name of the policy without its namespace."""
    return {each.manifest["metadata"]["name"]: each for each in recommendations}


def lines(flows: Iterable[Mapping[str, Any]]) -> str:
    """As a flow file."""
    return "".join(json.dumps(each) + "\n" for each in flows)

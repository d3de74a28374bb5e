"""A small cluster and flow records, for the tests of who is who."""

from dataclasses import replace
from ipaddress import ip_network

import numpy as np

from pipeline.facts import Facts
from pipeline.flow import REPORTERS, Endpoint, FlowBatch
from pipeline.identity import Identity, NamedPort
from pipeline.policy.facts_resources import HostEndpoint, Namespace, Pod, ServiceAccount
from pipeline.policy.policies import EntityMatch, NetworkSet, Policies, Policy, PolicyKey, Rule
from pipeline.policy.selector import parse
from pipeline.resolve import Resolver


def pod(name, ip, uid, labels=None, **more):
    usual = Pod(
        "shop",
        name,
        uid,
        labels or {"app": "web", "hash": "7d4"},
        "web",
        (ip,),
        ports=(("http", 6, 8080),),
        created=100.0,
        generate_name=name.rpartition("-")[0] + "-",
    )
    return replace(usual, **more)


X = pod("web-7d4-x", "10.0.0.1", "u1", node="node-1", host_ips=("10.9.0.1",))
Y = pod("web-7d4-y", "10.0.0.2", "u2", created=200.0)
CANARY = pod("web-7d4-c", "10.0.0.3", "u3", {"app": "web", "canary": "yes"})
HOST = HostEndpoint("node-1-eth0", "node-1", {"role": "worker"}, ("10.9.0.1",), (("ssh", 6, 22),))
CLUSTER = [Namespace("shop", {"team": "a"}), ServiceAccount("shop", "web", {"tier": "front"}), X, Y, HOST]
SETS = (
    NetworkSet("", "threats", (("feed", "x"),), (ip_network("203.0.113.0/24"), ip_network("2001:db8::/64"))),
    NetworkSet("shop", "partners", (("kind", "partner"), ("projectcalico.org/namespace", "shop")), ()),
)
RULE = Rule("allow", destination=EntityMatch(service=("shop", "web")))
POLICIES = Policies(
    "r1",
    policies=(
        Policy(
            PolicyKey("np", "shop", "p"), "default", 1, parse("all()"), frozenset({"egress"}), egress=(RULE,)
        ),
    ),
    network_sets=SETS,
)

INHERITED = {
    "pcns.team": "a",
    "pcns.projectcalico.org/name": "shop",
    "pcns.kubernetes.io/metadata.name": "shop",
    "pcsa.tier": "front",
    "pcsa.projectcalico.org/name": "web",
    "projectcalico.org/serviceaccount": "web",
}
OF_ANY_POD = {"projectcalico.org/namespace": "shop", "projectcalico.org/orchestrator": "k8s"}


def labels(*parts):
    return tuple(sorted({key: value for part in parts for key, value in part.items()}.items()))


WEB = Identity(
    "wep",
    labels({"app": "web", "hash": "7d4"}, OF_ANY_POD, INHERITED),
    (NamedPort("http", 6, 8080),),
    ("kns.shop", "ksa.shop.web"),
)


def nets(*texts):
    return tuple(ip_network(text) for text in texts)


def wep(name="", aggr="web-7d4-*", ip="", listed=None, namespace="shop"):
    raw = None if listed is None else b'{"labels":[%s]}' % ",".join(f'"{label}"' for label in listed).encode()
    return Endpoint("wep", namespace, name, aggr, ip, raw)


def net(aggr="pvt", ip=""):
    return Endpoint("net", "", "", aggr, ip, None)


PARTNER = Endpoint("wep", "other", "job", "job", "10.1.1.1", b'{"labels":[]}')


def flow(source=PARTNER, dest=PARTNER, start=300, end=400, reporter="src", host="node-1", domains=()):
    return {"source": source, "dest": dest, "start": start, "end": end, "reporter": reporter} | {
        "host": host,
        "domain": domains,
    }


UNREAD = (
    *("action", "proto", "source_port", "dest_port", "service", "logged", "bytes_in", "bytes_out"),
    *("packets_in", "packets_out", "num_flows", "num_flows_started", "num_flows_completed"),
)


def batch_of(flows):
    """A batch of flows; only what resolving reads is filled in."""

    def column(values, of=None):
        return np.array([of.index(value) for value in values] if of else list(values), np.int64)

    def distinct(*keys):
        return list(dict.fromkeys(flow[key] for key in keys for flow in flows))

    endpoints, hosts, domains = distinct("source", "dest"), distinct("host"), distinct("domain")
    unread = np.zeros(len(flows), np.int64)
    return FlowBatch(
        raw=[b"{}"] * len(flows),
        ids=[],
        start=column(flow["start"] * 1000 for flow in flows),
        end=column(flow["end"] * 1000 for flow in flows),
        timed=unread == 0,
        reporter=column((flow["reporter"] for flow in flows), REPORTERS),
        source=column((flow["source"] for flow in flows), endpoints),
        dest=column((flow["dest"] for flow in flows), endpoints),
        endpoints=endpoints,
        host=column((flow["host"] for flow in flows), hosts),
        hosts=hosts,
        services=[],
        domain=column((flow["domain"] for flow in flows), domains),
        domains=domains,
        logs=[],
        **dict.fromkeys(UNREAD, unread),
    )


def side(endpoint, facts=None, start=300, end=400, **more):
    """The destination side of one flow to `endpoint`."""
    resolver = Resolver(facts or Facts.from_resources(CLUSTER), POLICIES)
    resolved = resolver.resolve(batch_of([flow(dest=endpoint, start=start, end=end, **more)]))
    return resolved.sides[resolved.dest[0]]

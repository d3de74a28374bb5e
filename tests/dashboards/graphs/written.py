"""What is made up, written into Elasticsearch where the worker would."""

from collections.abc import Iterable

from elasticsearch import Elasticsearch
from elasticsearch.helpers import bulk

from pipeline import index_edges, index_policies
from tests.dashboards.bundle import Json
from tests.dashboards.context import Context
from tests.dashboards.graphs.made import END, START

_WEEK = "20251103"


def context(cluster: str) -> Context:
    """A dashboard that shows all the time of what is made up."""
    return Context(cluster, START, END)


def write_edges(client: Elasticsearch, cluster: str, documents: Iterable[Json]) -> None:
    _put_templates(client)
    _write(client, f"flowtier_edges.{cluster}.hour.{_WEEK}", cluster, documents)


def write_board(client: Elasticsearch, cluster: str, policies: Iterable[Json], rules: Iterable[Json]) -> None:
    _put_templates(client)
    _write(client, index_policies.index_of(cluster), cluster, policies)
    _write(client, f"flowtier_rules.{cluster}.{_WEEK}", cluster, rules)


def _write(client: Elasticsearch, index: str, cluster: str, documents: Iterable[Json]) -> None:
    bulk(client, ({"_index": index, "_source": each | {"cluster": cluster}} for each in documents))
    client.indices.refresh(index=index)


def _put_templates(client: Elasticsearch) -> None:
    for name, template in index_edges.templates(shards=1, replicas=0).items():
        client.indices.put_index_template(name=name, **template)
    client.indices.put_index_template(
        name=index_policies.TEMPLATE, **index_policies.index_template(replicas=0)
    )

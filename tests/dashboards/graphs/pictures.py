"""The pictures of the README: `make pictures` draws the graphs of the sample cluster and of a large one."""

import tempfile
from pathlib import Path

from elasticsearch import Elasticsearch

from deploy.local.stack import Stack
from tests.dashboards.context import Context
from tests.dashboards.graphs import made
from tests.dashboards.graphs.browser import Graph, answered, browser
from tests.dashboards.graphs.written import context, write_edges
from tests.dashboards.sample import load

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"
_LARGE = "large"


def main() -> None:
    with Stack("pictures") as stack, Elasticsearch(stack.elasticsearch) as client:
        with tempfile.TemporaryDirectory() as folder:
            sample = load(stack.elasticsearch, "sample", Path(folder)).context
        write_edges(client, _LARGE, made.large())
        with browser() as page:
            _draw(Graph(page), client, sample, context(_LARGE))


def _draw(graph: Graph, client: Elasticsearch, sample: Context, large: Context) -> None:
    for name in ("service-graph", "flowviz", "policy-board"):
        graph.show(answered(name, client, sample))
        _keep(graph, name)
    graph.show(answered("service-graph", client, sample))
    graph.click("node", name="online-boutique")
    _keep(graph, "service-graph-workloads")
    for name in ("service-graph", "flowviz"):
        graph.show(answered(name, client, large))
        _keep(graph, f"{name}-large")
    graph.show(answered("service-graph", client, large))
    graph.click("node", name=made.LARGEST)
    _keep(graph, "service-graph-workloads-large")


def _keep(graph: Graph, name: str) -> None:
    graph.picture(FOLDER / f"{name}.png")
    print(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()

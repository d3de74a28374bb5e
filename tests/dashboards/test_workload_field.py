"""Kibana's runtime fields of workloads are what pipeline/workload.py says, named as edges have them."""

import json
from typing import Any

import pytest
from elasticsearch import BadRequestError, Elasticsearch

from dashboards import BUILT
from pipeline.index import index_template
from pipeline.workload import workload_of

CASES = [
    ("frontend-86c57-*", ["pod-template-hash=86c57", "app=frontend"]),
    ("frontend-86c57-*", []),
    ("frontend-86c57-*", None),
    ("frontend-86c57-*", ["pod-template-hash="]),
    ("node-7c-*", ["controller-revision-hash=7c"]),
    ("report-28123456-*", ["batch.kubernetes.io/job-name=report-28123456"]),
    ("report-28123456-*", ["job-name=report-28123456"]),
    ("report-2812345-*", ["job-name=report-2812345"]),
    ("report-28123456-*", ["job-name=other"]),
    ("28123456", ["job-name=28123456"]),
    ("日本-86-*", ["pod-template-hash=86"]),
    ("pub", None),
]


def runtime_fields() -> dict[str, Any]:
    objects = map(json.loads, BUILT.read_text().splitlines())
    view = next(each for each in objects if (each["type"], each["id"]) == ("index-pattern", "flowtier-flows"))
    return json.loads(view["attributes"]["runtimeFieldMap"])


@pytest.mark.parametrize(
    ("field", "side", "before"),
    [
        ("source_workload", "source", ""),
        ("dest_workload", "dest", ""),
        ("workload", "source", "shop/"),
        ("workload", "dest", "shop/"),
    ],
)
def test_a_workload_is_what_the_library_says(field, side, before, elasticsearch, unique):
    said = {f"{side}_namespace": "shop", "verdict": {"direction": {"source": "egress"}.get(side, "ingress")}}
    with Elasticsearch(elasticsearch) as client:
        client.indices.create(index=unique, mappings=index_template()["template"]["mappings"])
        for number, (name, labels) in enumerate(CASES):
            held = labels if labels is None else {"labels": labels}
            document = said | {f"{side}_name_aggr": name, f"{side}_labels": held}
            client.index(index=unique, id=str(number), document=document, refresh=True)
        try:
            answer = client.search(
                index=unique, runtime_mappings=runtime_fields(), fields=[{"field": field}], size=len(CASES)
            )
        except BadRequestError as error:
            if "script_lang not supported" not in str(error):
                raise
            pytest.skip("this Elasticsearch is the minimal distribution, which has no Painless")
        finally:
            client.indices.delete(index=unique)
    found = {int(hit["_id"]): hit["fields"][field] for hit in answer["hits"]["hits"]}
    workloads = [workload_of(name, labels or ()) for name, labels in CASES]
    assert found == {number: [before + workload] for number, workload in enumerate(workloads)}

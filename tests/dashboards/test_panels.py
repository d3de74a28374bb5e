"""Every panel asks for fields that are there and filled, and gets what an independent count says."""

from dataclasses import replace
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from pipeline.agreement import AGREEMENTS
from tests.dashboards.bundle import Control, Dashboard, read_bundle
from tests.dashboards.comparing import differences
from tests.dashboards.context import Context
from tests.dashboards.counting import records, values
from tests.dashboards.expected import EXPECTED
from tests.dashboards.expected_graphs import VERDICTS, verdict_word
from tests.dashboards.questions import Question, questions
from tests.dashboards.sample import Sample

DASHBOARDS = read_bundle()
QUESTIONS = questions(DASHBOARDS)
NOWHERE = "nowhere"  # a cluster that nobody has
MANY = 1_000
# By any control but that of the cluster, as its description says.
LEFT_EMPTY = {"flowtier-overview/Rejects"}
IMPACTS = {"none", "newly_denied", "newly_allowed", "unknown"}
OPTIONS: dict[tuple[str, str], str] = {}  # by field and pattern


@pytest.fixture(params=QUESTIONS.values(), ids=list(QUESTIONS))
def question(request: pytest.FixtureRequest) -> Question:
    return request.param


def within(dashboard: Dashboard, context: Context) -> Context:
    """With what the dashboard itself filters by."""
    return replace(context, filters=dashboard.filters, query=dashboard.query)


def ask(
    client: Elasticsearch, question: Question, context: Context, *, whole: bool = False
) -> list[dict[str, Any]]:
    """The rows that it shows; `whole`: those too that it leaves out as there are larger ones."""
    index, body = question.request(within(question.dashboard, context))
    if whole:
        lift(body.get("aggs", {}))
    return question.rows(client.search(index=index, **body).body)


def lift(aggs: dict[str, Any]) -> None:
    """Let terms be as many as there are."""
    for each in aggs.values():
        if "terms" in each:
            each["terms"]["size"] = MANY
        lift(each.get("aggs", {}))


def test_every_panel_has_an_expectation_and_every_expectation_a_panel():
    assert sorted(EXPECTED) == sorted(QUESTIONS)


def test_the_sample_has_everything_that_panels_tell_apart(sample: Sample):
    known = records(sample)
    assert {value for each in known for value in values(each, "verdict.agrees")} == set(AGREEMENTS[1:])
    assert {value for each in known for value in values(each, "verdict.impact")} == IMPACTS
    assert {verdict_word(each) for each in known} == set(VERDICTS)


def test_its_fields_are_there_and_filled(question: Question, sample: Sample, client: Elasticsearch):
    index, _ = question.request(sample.context)
    fields = question.fields - question.runtime - read_whole(client, index, question.columns)
    known = client.field_caps(index=index, fields=sorted(fields) or ["*"])["fields"]
    assert fields - set(known) == set(), "not in the template"
    filled = {
        name for name in fields if client.count(index=index, query={"exists": {"field": name}})["count"]
    }
    assert fields - filled == set(), "nothing in the sample fills these"


def read_whole(client: Elasticsearch, index: str, columns: set[str]) -> set[str]:
    """Those of a saved search's columns that Discover reads from the documents themselves, whether or not
    they are in the template."""
    asked = [{"field": name, "include_unmapped": True} for name in columns]
    hits = client.search(index=index, size=100, fields=asked or None)["hits"]["hits"]
    return columns & {name for hit in hits for name in hit.get("fields", ())}


def test_it_shows_what_an_independent_count_says(question: Question, sample: Sample, client: Elasticsearch):
    expected = EXPECTED[question.name](sample)
    assert expected, "the sample shows nothing of it"
    assert differences(ask(client, question, sample.context, whole=True), expected) == []
    shown = ask(client, question, sample.context)
    assert shown
    assert not [words for words in differences(shown, expected) if words.startswith("shown only")]


def test_what_a_control_chose_holds_for_it(question: Question, sample: Sample, client: Elasticsearch):
    index, _ = question.request(sample.context)
    for control in question.dashboard.controls:
        known = client.field_caps(index=index, fields=[control.field])["fields"]
        left_empty = question.name in LEFT_EMPTY and control.field != "cluster"
        assert (control.field in known) != left_empty, f"is it empty with any {control.title}: {left_empty}"
        value = option(client, control, sample)
        context = replace(sample.context, chosen=((control.field, value),))
        rows = ask(client, question, context, whole=True)
        expected = EXPECTED[question.name](sample.where(control.field, value))
        assert differences(rows, expected) == [], f"{control.title}: {value}"


def option(client: Elasticsearch, control: Control, sample: Sample) -> str:
    """One of what a control offers, neither the most frequent nor the rarest."""
    key = control.field, control.view.title
    if key not in OPTIONS:
        terms = {"terms": {"field": control.field, "size": MANY}}
        index = sample.context.index(control.view.title)
        answer = client.search(index=index, size=0, aggs={"options": terms})
        buckets = answer["aggregations"]["options"]["buckets"]
        values = [bucket.get("key_as_string", bucket["key"]) for bucket in buckets]
        OPTIONS[key] = values[len(values) // 2]
    return OPTIONS[key]


@pytest.fixture(scope="session")
def empty(client: Elasticsearch, sample: Sample):
    """A cluster whose indices are there, without a document."""
    name = f"e{sample.cluster}"
    made = [each.replace(sample.cluster, name) for each in client.indices.get(index=f"*.{sample.cluster}*")]
    for index in made:
        client.indices.create(index=index)
    client.cluster.health(index=f"*.{name}*", wait_for_status="yellow")
    yield name
    for index in made:
        client.indices.delete(index=index)


def test_it_is_empty_where_an_index_is(question: Question, sample: Sample, client: Elasticsearch, empty: str):
    assert is_empty(ask(client, question, replace(sample.context, cluster=empty)))


def test_it_is_empty_where_no_index_is(question: Question, sample: Sample, client: Elasticsearch):
    assert is_empty(ask(client, question, replace(sample.context, cluster=NOWHERE)))


def is_empty(rows: list[dict[str, Any]]) -> bool:
    """Whether no row has a figure but 0: a metric and a filter have one row even of nothing."""
    figures = (value for row in rows for value in row.values() if not isinstance(value, str | tuple))
    return not any(figures)

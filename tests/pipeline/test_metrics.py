"""The list of metrics."""

from prometheus_client import Counter

from pipeline.metrics import all_metrics, table


def test_every_metric_is_ours_by_name_and_says_what_it_means() -> None:
    described = [next(iter(metric.describe())) for metric in all_metrics()]
    assert all(each.name.startswith("flowtier_") and each.documentation for each in described)
    assert len({each.name for each in described}) == len(described)


def test_the_table_has_a_row_for_each_metric_under_the_name_that_prometheus_sees() -> None:
    rows = table().splitlines()[2:]
    assert len(rows) == len(list(all_metrics()))
    assert any(row.startswith("| `flowtier_flows_total` | counter |") for row in rows)
    assert sum("_total`" in row for row in rows) == sum(isinstance(each, Counter) for each in all_metrics())

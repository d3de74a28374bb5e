"""What each panel should show of the sample, counted from the flows."""

from collections.abc import Callable

from tests.dashboards import (
    expected_flow_logs,
    expected_graphs,
    expected_overview,
    expected_recommendations,
    expected_staged_impact,
    expected_threats,
)
from tests.dashboards.comparing import Row
from tests.dashboards.sample import Sample

_BY_DASHBOARD = {
    "flowtier-overview": expected_overview.EXPECTED,
    "flowtier-staged-impact": expected_staged_impact.EXPECTED,
    "flowtier-flow-logs": expected_flow_logs.EXPECTED,
    "flowtier-recommendations": expected_recommendations.EXPECTED,
    "flowtier-threats": expected_threats.EXPECTED,
    **expected_graphs.EXPECTED,
}

EXPECTED: dict[str, Callable[[Sample], list[Row]]] = {
    f"{dashboard}/{panel}": count
    for dashboard, panels in _BY_DASHBOARD.items()
    for panel, count in panels.items()
}

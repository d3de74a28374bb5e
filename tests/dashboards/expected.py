"""What each panel should show of the sample, counted from the flows."""

from collections.abc import Callable

from tests.dashboards import expected_staged_impact
from tests.dashboards.comparing import Row, Top
from tests.dashboards.sample import Sample

_BY_DASHBOARD = {"flowtier-staged-impact": expected_staged_impact.EXPECTED}

EXPECTED: dict[str, Callable[[Sample], list[Row] | Top]] = {
    f"{dashboard}/{panel}": count
    for dashboard, panels in _BY_DASHBOARD.items()
    for panel, count in panels.items()
}

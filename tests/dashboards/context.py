"""What a dashboard puts around every panel's request: time, query, filters and what its controls chose."""

import re
from dataclasses import dataclass
from typing import Any

from tests.dashboards.bundle import DataView, Json
from tests.dashboards.kql import Query, to_query

TIME = "@timestamp"
_INTERVALS = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
# Kibana's: at most so many buckets, in the least of these steps (seconds) that keeps to it.
_BARS = 100
_STEPS = (1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 3 * 3_600, 12 * 3_600, 86_400, 7 * 86_400, 30 * 86_400)


@dataclass(frozen=True, slots=True)
class Context:
    """`start` and `end` in ms since the epoch; `chosen`: value by field, of the controls.

    `cluster` stands in the place of the pattern's first `*`, for the indices of others are not ours.
    """

    cluster: str
    start: int
    end: int
    chosen: tuple[tuple[str, str], ...] = ()
    filters: tuple[Json, ...] = ()
    query: str = ""

    def index(self, pattern: str) -> str:
        return pattern.replace("*", f"{self.cluster}*", 1)  # no index is no error for a pattern

    def clauses(self, view: DataView | None = None) -> list[Query]:
        """The filter clauses; without a data view those of a Vega panel, but for the time."""
        chosen: list[Query] = [{"match_phrase": {name: value}} for name, value in self.chosen]
        return [
            *([self.time(view.time_field)] if view and view.time_field else []),
            *([to_query(self.query)] if self.query else []),
            *map(filter_query, self.filters),
            *chosen,
        ]

    def time(self, name: str) -> Query:
        return {"range": {name: {"gte": self.start, "lte": self.end, "format": "epoch_millis"}}}

    def interval(self, said: str) -> str:
        """The fixed interval that Kibana makes of Lens's or Vega's `auto`, or of a given one."""
        if said != "auto":
            count, unit = re.fullmatch(r"(\d+)([mhdw])", said).groups()  # type: ignore[union-attr]
            return f"{int(count) * _INTERVALS[unit]}s"
        seconds = (self.end - self.start) / 1000
        return f"{next(step for step in _STEPS if seconds / step <= _BARS)}s"


def filter_query(each: Json) -> Query:
    """The query of a filter of Kibana's, as `meta` says."""
    meta: dict[str, Any] = each["meta"]
    if meta.get("disabled"):
        return {"match_all": {}}
    if meta["type"] == "combined":
        parts = [filter_query(part) for part in meta["params"]]
        how = "should" if meta["relation"] == "OR" else "filter"
        query: Query = {"bool": {how: parts, **({"minimum_should_match": 1} if how == "should" else {})}}
    else:
        query = each["query"]
    return {"bool": {"must_not": [query]}} if meta.get("negate") else query

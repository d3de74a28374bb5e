"""Which indices of one cluster hold one period of time each, and how long they are kept."""

from pipeline.annotate import INDEX_PREFIX
from pipeline.edges_section import Edges
from pipeline.periods import Series
from pipeline.settings import Settings

EDGES, RULES, REJECTS = "flowtier_edges", "flowtier_rules", "flowtier_rejects"


class Kept:
    """Where one cluster's edges are rolled up into, by window, and what `rules` matched, by hour."""

    def __init__(self, cluster: str, edges: Edges) -> None:
        self.cluster = cluster
        stem = f"{EDGES}.{cluster}"
        self.series = {
            "interval": Series(f"{stem}.interval", "day", edges.interval_days),
            "hour": Series(f"{stem}.hour", "week", edges.hour_days),
            "day": Series(f"{stem}.day", "month", edges.day_days),
            "rules": Series(f"{RULES}.{cluster}", "week", edges.hour_days),
        }


def rejects_series(settings: Settings) -> Series:
    """As long as their records are on the topic."""
    return Series(f"{REJECTS}.{settings.cluster}", "day", settings.topics.rejects_retention_days)


def all_series(settings: Settings) -> tuple[Series, ...]:
    """All of them, the flows' own first."""
    flows = Series(f"{INDEX_PREFIX}.{settings.cluster}", "day", settings.flows.retention_days)
    rejects = rejects_series(settings)
    return flows, rejects, *Kept(settings.cluster, settings.edges).series.values()

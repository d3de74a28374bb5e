"""The settings of the roll-ups, each as FLOWTIER_EDGES_…: their windows, and how long they are kept."""

from pydantic import Field, field_validator

from pipeline.policy.selector import SelectorError, parse
from pipeline.sections import Positive, PositiveSeconds, Section

_HOUR = 3600
# The labels that Calico Enterprise's documentation, manifests and examples give to sets of threat feeds.
_FEEDS = "has(feed) || has(threatfeed) || has(threat-feed) || security-action == 'block'"


class Edges(Section):
    """What is rolled up from flows, for the dashboards."""

    enabled: bool = Field(True, description="whether workers roll up edges, rules and policies at all")
    interval_seconds: Positive = Field(
        300, description="the shortest window, best the nodes' flush interval; divides an hour"
    )
    batch_messages: Positive = Field(
        500, description="messages of flow-observations rolled up at once, at most"
    )
    batch_seconds: PositiveSeconds = Field(2.0, description="how long a message waits for others at most")
    interval_days: Positive = Field(2, description="how long the shortest windows are kept")
    hour_days: Positive = Field(30, description="how long hours are kept, and what rules matched in them")
    day_days: Positive = Field(400, description="how long days are kept")
    threat_selector: str = Field(
        _FEEDS, description="network sets that are threat feeds, as a selector of their labels"
    )

    @field_validator("interval_seconds")
    @classmethod
    def _divides_an_hour(cls, seconds: int) -> int:
        if _HOUR % seconds:
            raise ValueError("must divide 3600: an hour is made of whole windows")
        return seconds

    @field_validator("threat_selector")
    @classmethod
    def _is_a_selector(cls, text: str) -> str:
        try:
            parse(text)
        except SelectorError as error:
            raise ValueError(f"is no selector: {error}") from None
        return text

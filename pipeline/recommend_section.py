"""The settings of recommending: what `Options` has, each as FLOWTIER_RECOMMEND_…, and how a worker learns."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pipeline.recommend.recommendation import Options
from pipeline.sections import NAME, Positive, PositiveSeconds, Section

_DEFAULT = Options()
Share = Annotated[float, Field(ge=0, lt=1)]


class Recommend(Section):
    """What is learned from flows, and what is proposed from it."""

    enabled: bool = Field(True, description="whether workers learn and propose at all")
    interval_seconds: PositiveSeconds = Field(300.0, description="how often it is proposed anew")
    batch_messages: Positive = Field(
        100, description="messages of flow-observations learned at once, at most"
    )
    batch_seconds: PositiveSeconds = Field(5.0, description="how long a message waits for others at most")
    folder: Path | None = Field(
        None, description="where each worker keeps what it learned, beside Kafka; else a temporary one"
    )
    mode: Literal["workload", "namespace"] = Field(
        _DEFAULT.mode, description="one policy per workload, or one per namespace"
    )
    tier: str = Field(_DEFAULT.tier, pattern=NAME, description="tier of what is proposed")
    order: float = Field(_DEFAULT.order, description="its order in there")
    intra_namespace: Literal["allow", "pass"] = Field(
        _DEFAULT.intra_namespace,
        description="what becomes of traffic within a namespace, with mode namespace",
    )
    minimum_connections: Positive = Field(
        _DEFAULT.minimum_connections, description="connections that make a rule, at least"
    )
    minimum_hours: Positive = Field(
        _DEFAULT.minimum_hours, description="distinct hours in which they were seen, at least"
    )
    lookback_days: Positive = Field(_DEFAULT.lookback_days, description="older traffic is forgotten")
    learn_denied: bool = Field(_DEFAULT.learn_denied, description="whether denied flows teach, too")
    tighten: bool = Field(_DEFAULT.tighten, description="propose inside allows wider than what is used, too")
    domains: bool = Field(_DEFAULT.domains, description="rules by domain, which Calico Enterprise knows")
    stable_days: Positive = Field(_DEFAULT.stable_days, description="days seen before it is Stable")
    stale_days: Positive = Field(_DEFAULT.stale_days, description="days without traffic that make it Stale")
    unseen_share: Share = Field(
        _DEFAULT.unseen_share, description="share of edges not seen yet, estimated, of a Stable one at most"
    )
    held_out_share: Share = Field(
        _DEFAULT.held_out_share, description="share of the hours, the last ones, that scores are made from"
    )

    @property
    def options(self) -> Options:
        return Options(**{each.name: getattr(self, each.name) for each in fields(Options)})

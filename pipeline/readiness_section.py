"""The settings of readiness: the limits within which a staged policy is called safe to enforce."""

from pydantic import Field

from pipeline.recommend_section import Share
from pipeline.sections import Positive, PositiveSeconds, Section


class ReadinessLimits(Section):
    """What has to be seen of a staged policy's workloads before it is called safe to enforce."""

    interval_seconds: PositiveSeconds = Field(300.0, description="how often readiness is told anew")
    days: Positive = Field(7, description="distinct days with flows of its workloads, at least")
    hours_of_week: int = Field(
        168, ge=1, le=168, description="hours of the week in which flows of the cluster were judged, at least"
    )
    hours_behind: Positive = Field(
        3, description="hours that the newest flow of the cluster may be behind the clock, at most"
    )
    unknown_share: Share = Field(
        0.001,
        description="share of its workloads' flows for which its effect is unknown, at most; and of those"
        " whose enforced verdict is not what the node did",
    )

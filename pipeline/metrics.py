"""Every metric that the program gives out, in one list: what is not here cannot be counted."""

from collections.abc import Iterator

from prometheus_client import Counter, Gauge, Histogram

type Metric = Counter | Gauge | Histogram

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

FLOWS = Counter("flowtier_flows", "Flows judged and indexed, committed")
MESSAGES = Counter("flowtier_messages", "Messages of the flows topic taken, committed")
VERDICTS = Counter("flowtier_verdicts", "Flows by the enforced verdict", ["action"])
CLASSES = Counter("flowtier_classes", "Distinct flow classes of the batches judged")
REJECTS = Counter(
    "flowtier_rejects", "Flows and messages that can never be processed, by why", ["stage", "reason"]
)
UNKNOWNS = Counter("flowtier_unknowns", "Flows with an unknown verdict, by what is missing", ["missing"])
AGREEMENT = Counter("flowtier_agreement", "Flows by how our verdict agrees with the node's", ["kind"])
IMPACT = Counter("flowtier_impact", "Flows by what promoting every staged policy would change", ["impact"])
STAGED_DENY = Counter(
    "flowtier_staged_deny", "Allowed flows that a staged policy alone would deny", ["policy"]
)
STAGED_ALLOW = Counter(
    "flowtier_staged_allow", "Denied flows that a staged policy alone would allow", ["policy"]
)
READINESS = Gauge(
    "flowtier_readiness", "Staged policies of the revision in force, by how ready they are", ["word"]
)
DENIED_EDGES = Gauge(
    "flowtier_denied_edges",
    "Distinct edges that a staged policy alone would have denied, ever as far as days are kept",
    ["policy"],
)
LAG = Gauge("flowtier_lag", "Messages of a partition that are not committed yet", ["partition"])
PAUSED = Gauge(
    "flowtier_partition_paused", "1 where a partition of nearly only rejects is paused", ["partition"]
)
BATCHES = Gauge("flowtier_batches_in_flight", "Batches in memory")
BATCH_SECONDS = Histogram(
    "flowtier_batch_seconds", "Time of one batch in each step", ["step"], buckets=_SECONDS
)
PROBLEM = Gauge("flowtier_problem", "1 while /health tells of a problem with it, in words", ["about"])
STARTED_OVER = Counter("flowtier_started_over", "Times that what was in flight was dropped and read again")
ELASTICSEARCH_RETRIES = Counter(
    "flowtier_elasticsearch_retries", "Documents tried again, by reason", ["reason"]
)
REVISION = Gauge("flowtier_revision_in_force", "1 for the revision that judges", ["revision"])
REVISION_REFUSED = Gauge("flowtier_revision_refused", "1 while the newest revision does not load")
REVISION_SECONDS = Histogram(
    "flowtier_revision_seconds", "Time to load and compile a revision", buckets=_SECONDS
)
COMPILER_DIED = Counter(
    "flowtier_compiler_died", "Times that the process that loads policies ended, and was started again"
)
FACTS = Counter("flowtier_facts", "Records of the facts topic followed")
FACTS_REFUSED = Counter("flowtier_facts_refused", "Records of the facts topic that cannot be read")
OBSERVATIONS = Counter("flowtier_observations", "Messages of flow-observations learned from")
OBSERVATIONS_REJECTED = Counter(
    "flowtier_observations_rejected", "Messages of flow-observations that teach nothing, by why", ["reason"]
)
NOT_LEARNED = Counter(
    "flowtier_flows_not_learned", "Flows that teach nothing to the recommender, by why", ["reason"]
)
RECOMMEND_LAG = Gauge("flowtier_recommend_lag", "Messages of flow-observations that are not learned yet")
LEARNED_PLACES = Gauge("flowtier_learned_places", "Values of the recommender's table in this worker")
LEARNED_EDGES = Gauge("flowtier_learned_edges", "Edges in them, each by the day")
LEARNED_BYTES = Gauge("flowtier_learned_bytes", "Their size")
PLACES_AGED_OUT = Counter("flowtier_places_aged_out", "Values of the table that fell out of the lookback")
PROPOSE_SECONDS = Histogram(
    "flowtier_propose_seconds", "Time to propose for all namespaces of a worker", buckets=_SECONDS
)
RECOMMENDATIONS = Gauge("flowtier_recommendations", "Recommendations for the namespaces of this worker")
RECOMMENDATIONS_PUBLISHED = Counter(
    "flowtier_recommendations_published",
    "Records of policy-recommendations written, by what they are",
    ["kind"],
)
DECISIONS_REFUSED = Counter(
    "flowtier_decisions_refused", "Records of recommendation-decisions that cannot be read"
)
EDGES_MESSAGES = Counter("flowtier_edges_messages", "Messages of flow-observations rolled up, committed")
EDGES_REJECTED = Counter(
    "flowtier_edges_messages_rejected", "Messages of flow-observations that cannot be rolled up", ["reason"]
)
EDGES_DOCUMENTS = Counter(
    "flowtier_edges_documents",
    "Documents of edges and rules: written, stale (somebody was further), rejected",
    ["outcome"],
)
EDGES_AGED_OUT = Counter(
    "flowtier_edges_aged_out", "Edges and rules that came when their window was not kept any more", ["window"]
)
EDGES_LAG = Gauge("flowtier_edges_lag", "Messages of flow-observations that are not rolled up yet")
REJECTS_DOCUMENTS = Counter(
    "flowtier_rejects_documents",
    "Documents of rejects: written, stale (they were there), rejected",
    ["outcome"],
)
REJECTS_LAG = Gauge("flowtier_rejects_lag", "Messages of flows-rejected that are not indexed yet")
INDICES_DELETED = Counter("flowtier_indices_deleted", "Indices deleted because they aged out")
SHIPPED_FLOWS = Counter("flowtier_shipped_flows", "Lines of the flow log in Kafka, committed")
SHIPPED_BYTES = Counter("flowtier_shipped_bytes", "Bytes of the flow log in Kafka, committed")
SHIPPER_BEHIND = Gauge("flowtier_shipper_behind_bytes", "Bytes of the flow log that are not in Kafka yet")
SHIPPER_WAITING = Gauge("flowtier_shipper_waiting", "1 while Kafka does not take what was read")
SHIPPER_SKIPPED = Counter(
    "flowtier_shipper_skipped", "Lines too long to ship, or lost with their file", ["why"]
)


def all_metrics() -> Iterator[Metric]:
    """Every metric, in the order of this file."""
    return (value for value in globals().values() if isinstance(value, Counter | Gauge | Histogram))


def table() -> str:
    """The metrics as a Markdown table, for the README."""
    rows = (_row(metric) for metric in all_metrics())
    return "\n".join(["| metric | type | labels | means |", "| --- | --- | --- | --- |", *rows])


def _row(metric: Metric) -> str:
    described = next(iter(metric.describe()))
    name = described.name + ("_total" if described.type == "counter" else "")
    labels = ", ".join(metric._labelnames)  # noqa: SLF001 - prometheus-client has no public name for it
    return f"| `{name}` | {described.type} | {labels} | {described.documentation} |"

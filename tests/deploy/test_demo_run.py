"""The demo on real servers: every flow arrives, and every staged policy is accounted for."""

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from deploy.demo.generate import FEWEST, HOURS, INTERVAL, window_until, write_sample
from deploy.demo.run import show
from pipeline.policy.load import load_paths
from pipeline.policy.revision import to_policies


def test_every_flow_arrives_and_every_staged_policy_is_shown(
    kafka: str,
    elasticsearch: str,
    unique: str,
    topic_prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = {
        "RECOMMEND_INTERVAL_SECONDS": "1",
        "CLUSTER": unique,
        "KAFKA_BOOTSTRAP": kafka,
        "ELASTICSEARCH_URLS": elasticsearch,
        "TOPICS_PREFIX": topic_prefix,
        "TOPICS_PARTITIONS": "2",
        "WORKER_GROUP": unique,
        "WORKER_PORT": "0",
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"FLOWTIER_{name}", value)
    output = io.StringIO()
    sample = write_sample(tmp_path, window_until(datetime.now(UTC), HOURS, INTERVAL), FEWEST, seed=1)
    show(sample, Console(file=output, width=200))
    said = output.getvalue()
    assert f"Flows in {FEWEST:,}, documents out {FEWEST:,}, rejects 0" in said
    for policy in to_policies(load_paths([sample.policies])).policies:
        assert not policy.key.staged or str(policy.key) in said

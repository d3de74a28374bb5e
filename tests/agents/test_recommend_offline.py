"""The same flows lead to the same policies, whether workers learn from the stream or a command from files."""

from datetime import UTC, datetime

import pytest
import yaml

from deploy.demo.generate import INTERVAL, SEED, Sample, window_until, write_sample
from pipeline.recommend.recommendation import Options
from pipeline.recommend.render import to_yaml
from tests.agents.installation import Installation
from tests.agents.observing import OFTEN, is_all_learned
from tests.waiting import until

FLOWS, HOURS = 6_000, 26


@pytest.fixture
def sample(tmp_path) -> Sample:
    folder = tmp_path / "sample"
    folder.mkdir()
    return write_sample(folder, window_until(datetime.now(UTC), HOURS, INTERVAL), FLOWS, SEED)


def test_the_stream_and_the_command_without_a_server_propose_the_same_bytes(installation, sample) -> None:
    installation.options |= OFTEN | {"FLOWTIER_RECOMMEND_MINIMUM_HOURS": str(Options().minimum_hours)}
    assert installation.run("publish", str(sample.policies.parent), "--facts").returncode == 0
    worker = installation.start_worker()
    until(worker.ready)
    assert installation.run("ship", str(sample.flow_log)).returncode == 0
    until(lambda: installation.observed().total() == FLOWS, 90)
    until(lambda: is_all_learned(installation), 90)

    offline = _offline(installation, sample)
    assert len(offline) > 15
    until(lambda: _streamed(installation) == offline, 60)


def _streamed(installation: Installation) -> dict[str, str]:
    """The YAML of each recommendation by its name."""
    found = installation.recommendations()
    return {name: to_yaml(each["manifest"]) for name, each in found.items()}


def _offline(installation: Installation, sample: Sample) -> dict[str, str]:
    done = installation.run(
        *("recommend", str(sample.flow_log), "--yaml"),
        *("--policies", str(sample.policies), "--policies", str(sample.facts)),
    )
    assert done.returncode == 0, done.stderr
    manifests = list(yaml.safe_load_all(done.stdout))
    names = [f"snp:{each['metadata']['namespace']}/{each['metadata']['name']}" for each in manifests]
    return dict(zip(names, done.stdout.split("---\n"), strict=True))

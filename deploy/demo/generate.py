"""`python -m deploy.demo.generate`: writes the sample cluster's policies, facts and flow log."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from deploy.demo.cluster import Window, build
from deploy.demo.flow_log import flow_log, scale_for
from deploy.demo.logged import Judge, judge_by
from deploy.demo.manifests import write_facts
from deploy.local.progress import step
from pipeline.policy.load import load_paths
from pipeline.policy.revision import to_policies

HERE = Path(__file__).parent
POLICIES, HISTORY = HERE / "policies", HERE / "history"
FLOWS, SEED, INTERVAL = 30_000, 1, 300  # seconds
FEWEST = 5_000  # flows: fewer would not hold the nightly report and the intrusion
HOURS = 26  # a whole day and a bit, so that the nightly report is in it whenever the window ends


@dataclass(frozen=True, slots=True)
class Sample:
    """What was written: two directories, a file, and how many flows it holds."""

    policies: Path
    facts: Path
    flow_log: Path
    flows: int


def write_sample(out: Path, window: Window, flows: int, seed: int) -> Sample:
    """Write the sample of a seed into `out`; the same arguments give the same bytes.

    ValueError where the cluster would be too large.
    """
    cluster = build(window, scale_for(flows, len(window)), seed)
    policies, facts, log_file = out / "policies", out / "facts", out / "flows.log"
    shutil.copytree(POLICIES, policies, dirs_exist_ok=True)
    write_facts(cluster, facts)
    written = 0
    with log_file.open("wb") as log:
        for lines in flow_log(cluster, judge_before(), judge_after(), flows, seed):
            log.writelines(lines)
            written += len(lines)
    return Sample(policies, facts, log_file, written)


def judge_after() -> Judge:
    """The nodes' judge by the policies as published."""
    return judge_by(to_policies(load_paths([POLICIES])))


def judge_before() -> Judge:
    """The same before the edit: the files of history/ stand in for those of their name."""
    edited = {path.name: path for path in HISTORY.glob("*.yaml")}
    paths = [edited.get(path.name, path) for path in sorted(POLICIES.rglob("*.yaml"))]
    return judge_by(to_policies(load_paths(paths)))


def window_until(end: datetime, hours: int, interval: int) -> Window:
    """The `hours` before `end`, in whole intervals of so many seconds."""
    last = int(end.timestamp()) // interval * interval
    return Window(last - hours * 3_600, last, interval)


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Directory.")
@click.option("--flows", type=click.IntRange(min=FEWEST), default=FLOWS, show_default=True)
@click.option("--seed", type=int, default=SEED, show_default=True)
@click.option("--hours", type=click.IntRange(min=HOURS), default=HOURS, show_default=True)
@click.option(
    "--interval", type=click.Choice([60, 300, 600]), default=INTERVAL, show_default=True, help="Seconds."
)
@click.option("--end", type=click.DateTime(), help="UTC; default now, rounded down to an interval.")
def main(out: Path, flows: int, seed: int, hours: int, interval: int, end: datetime | None) -> None:
    """Write policies/, facts/ and flows.log of a sample cluster that is as large as the flows ask for."""
    until = end.replace(tzinfo=UTC) if end else datetime.now(UTC)
    out.mkdir(parents=True, exist_ok=True)
    with step(f"Writing {flows:,} flows"):
        try:
            sample = write_sample(out, window_until(until, hours, interval), flows, seed)
        except ValueError as error:
            raise click.ClickException(str(error)) from None
    click.echo(f"{sample.flows} flows: {sample.flow_log}; {sample.policies}; {sample.facts}")


if __name__ == "__main__":
    main()

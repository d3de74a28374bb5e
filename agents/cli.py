"""The `flowtier` command: the list of its commands, and errors worded for who typed it."""

import sys

import click

from agents.commands import ship, status, worker
from agents.dashboards_commands import dashboards
from agents.in_force import TopicsInForce
from agents.known_recommendations import RecommendationsError
from agents.kubernetes_errors import KubernetesError
from agents.publish import PublishError
from agents.publish_commands import publish
from agents.reach import ReachError
from agents.recommendations_commands import recommendations
from agents.rejects_commands import rejects
from agents.replay_rejects import RejectsError
from agents.ship_flows import ShipError
from agents.topics import TopicError
from agents.watch_commands import watch
from pipeline.changes import WatchError
from pipeline.cli.can_i import can_i
from pipeline.cli.check import check
from pipeline.cli.diff import diff
from pipeline.cli.enforce import enforce
from pipeline.cli.explain import explain
from pipeline.cli.judge import judge
from pipeline.cli.recommend import recommend
from pipeline.cli.settings import settings
from pipeline.cli.sources import SourceError
from pipeline.cli.whatif import whatif
from pipeline.explain.typed import FlowError
from pipeline.git import GitError
from pipeline.policy.edit_layout import EditError
from pipeline.policy.problems import ManifestError
from pipeline.settings import SettingsError
from pipeline.whatif.run import JobsError

COMMANDS = (
    *(judge, whatif, recommend, publish, worker, ship, status, watch),
    *(rejects, recommendations, dashboards, settings, check, enforce, can_i, diff, explain),
)
# What the person who typed the command can do something about: said in words, without a traceback.
MISTAKES = (
    *(SettingsError, ManifestError, TopicError, PublishError),
    *(ShipError, RejectsError, RecommendationsError, ReachError, WatchError),
    *(KubernetesError, SourceError, GitError, EditError, FlowError, JobsError),
)


@click.group(commands=COMMANDS)
@click.version_option(package_name="flowtier")
def group() -> None:
    """What network policies do to real traffic, before and after they are enforced."""


def main() -> None:
    """Run a command; a mistake of the user's gives exit code 2."""
    try:
        group(obj=TopicsInForce())
    except MISTAKES as error:
        click.echo(f"flowtier: {error}", err=True)
        sys.exit(2)

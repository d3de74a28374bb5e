"""The `flowtier` command: the list of its commands, and errors worded for who typed it."""

import sys
from functools import cached_property
from pkgutil import resolve_name
from typing import Any, override

import click

from pipeline.user_error import UserError

# Each is imported when it is asked for: all of them together take a second.
COMMANDS = {
    "judge": "pipeline.cli.judge:judge",
    "whatif": "pipeline.cli.whatif:whatif",
    "check": "pipeline.cli.check:check",
    "diff": "pipeline.cli.diff:diff",
    "explain": "pipeline.cli.explain:explain",
    "can-i": "pipeline.cli.can_i:can_i",
    "enforce": "pipeline.cli.enforce:enforce",
    "recommend": "pipeline.cli.recommend:recommend",
    "settings": "pipeline.cli.settings:settings",
    "publish": "agents.publish_commands:publish",
    "worker": "agents.commands:worker",
    "ship": "agents.commands:ship",
    "status": "agents.commands:status",
    "watch": "agents.watch_commands:watch",
    "rejects": "agents.rejects_commands:rejects",
    "recommendations": "agents.recommendations_commands:recommendations",
    "dashboards": "agents.dashboards_commands:dashboards",
}


class Commands(click.Group):
    """The commands by their names."""

    @override
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    @override
    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        place = COMMANDS.get(cmd_name)
        command: click.Command | None = resolve_name(place) if place else None
        return command


class InForceWhenAsked:
    """The cluster's servers, for commands that may ask them; what speaks to them is imported only then."""

    @cached_property
    def _topics(self) -> Any:
        return resolve_name("agents.in_force:TopicsInForce")()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._topics, name)


@click.command(cls=Commands)
@click.version_option(package_name="flowtier")
def group() -> None:
    """What network policies do to real traffic, before and after they are enforced."""


def main() -> None:
    """Run a command; a mistake of the user's gives exit code 2."""
    try:
        group(obj=InForceWhenAsked())
    except UserError as error:
        click.echo(f"flowtier: {error}", err=True)
        sys.exit(2)

"""`python -m deploy.local up|down|status`: the local stack in the background."""

import sys

import click
from rich.console import Console
from rich.table import Table

from deploy.local.errors import StackError
from deploy.local.probes import PROBES
from deploy.local.stack import Stack

NAME = "stack"
# Where Flowtier looks by default, so that it needs no settings.
PORTS = (9092, 9200)


@click.group()
def commands() -> None:
    """Kafka and Elasticsearch on this machine, in the background."""


@commands.command()
def up() -> None:
    """Start both, on the data of the last time."""
    stack = Stack(NAME, ports=PORTS)
    if not stack.is_running():
        stack.stop()  # one of them may still live
        stack.start()
    _print_status(stack)


@commands.command()
def down() -> None:
    """Stop both; the data stays."""
    Stack(NAME).stop()


@commands.command()
def status() -> None:
    """Show what runs where."""
    _print_status(Stack(NAME))


def _print_status(stack: Stack) -> None:
    console = Console()
    if not stack.servers:
        console.print("The local stack is not running: make up")
        return
    table = Table("server", "address", "state", "pid")
    for server in stack.servers.values():
        state = "dead" if not server.is_alive() else "up" if PROBES[server.name](server.address) else "silent"
        table.add_row(server.name, server.address, state, str(server.pid))
    console.print(table)
    console.print(f"Logs: {stack.folder}/*/server.log", soft_wrap=True, highlight=False)
    console.print(
        f"export FLOWTIER_KAFKA_BOOTSTRAP={stack.kafka} FLOWTIER_ELASTICSEARCH_URLS={stack.elasticsearch}",
        soft_wrap=True,
        highlight=False,
    )


if __name__ == "__main__":
    try:
        commands()
    except StackError as error:
        sys.exit(str(error))

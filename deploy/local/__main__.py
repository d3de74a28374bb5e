"""`python -m deploy.local up|kubernetes|down|status`: the local servers in the background."""

import sys
from collections.abc import Iterable

import click
from rich.console import Console
from rich.table import Table

from deploy.local.child import Child
from deploy.local.errors import StackError
from deploy.local.kubernetes import Kubernetes
from deploy.local.probes import PROBES
from deploy.local.stack import Stack

NAME = "stack"
# Where Flowtier looks by default, so that it needs no settings.
PORTS = (9092, 9200)
KUBERNETES = "kubernetes"
KUBERNETES_PORT = 6443


@click.group()
def commands() -> None:
    """Kafka, Elasticsearch and a Kubernetes API on this machine, in the background."""


@commands.command()
def up() -> None:
    """Start Kafka and Elasticsearch, on the data of the last time."""
    stack = Stack(NAME, ports=PORTS)
    if not stack.is_running():
        stack.stop()  # one of them may still live
        stack.start()
    _print_status(stack)


@commands.command()
def kubernetes() -> None:
    """Start a Kubernetes API with Calico's resources, built where that was never done."""
    cluster = Kubernetes(KUBERNETES, port=KUBERNETES_PORT)
    if not cluster.is_running():
        cluster.stop()  # one of them may still live
        cluster.start()
    _print_kubernetes(cluster)


@commands.command()
def down() -> None:
    """Stop what runs; the data stays."""
    Stack(NAME).stop()
    Kubernetes(KUBERNETES).stop()


@commands.command()
def status() -> None:
    """Show what runs where."""
    _print_status(Stack(NAME))
    cluster = Kubernetes(KUBERNETES)
    if cluster.servers:
        _print_kubernetes(cluster)


def _print_status(stack: Stack) -> None:
    console = Console()
    if not stack.servers:
        console.print("The local stack is not running: make up")
        return
    console.print(_table(stack.servers.values()))
    console.print(f"Logs: {stack.folder}/*/server.log", soft_wrap=True, highlight=False)
    console.print(
        f"export FLOWTIER_KAFKA_BOOTSTRAP={stack.kafka} FLOWTIER_ELASTICSEARCH_URLS={stack.elasticsearch}",
        soft_wrap=True,
        highlight=False,
    )


def _print_kubernetes(cluster: Kubernetes) -> None:
    console = Console()
    console.print(_table(cluster.servers.values()))
    console.print(f"Logs: {cluster.folder}/*/server.log", soft_wrap=True, highlight=False)
    console.print(f"export KUBECONFIG={cluster.kubeconfig}", soft_wrap=True, highlight=False)


def _table(servers: Iterable[Child]) -> Table:
    table = Table("server", "address", "state", "pid")
    for server in servers:
        state = "dead" if not server.is_alive() else "up" if PROBES[server.name](server.address) else "silent"
        table.add_row(server.name, server.address, state, str(server.pid))
    return table


if __name__ == "__main__":
    try:
        commands()
    except StackError as error:
        sys.exit(str(error))

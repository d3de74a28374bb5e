"""The command that publishes policies."""

import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Column, Table

from agents.commands import load_settings
from agents.kubernetes_access import Access
from agents.publish import Published, preview
from agents.publish import publish as publish_
from agents.publish_origin import origin_of
from pipeline.changed_resources import ChangedResources
from pipeline.cli.in_force import InForce
from pipeline.cli.sources import IN_FORCE, SourceError, read_source
from pipeline.policy.load import Loaded
from pipeline.revisions import Origin, Revision

_SHOWN_FIELDS = 5


class PublishedReport(msgspec.Struct, frozen=True):
    """What `--json` tells: whether it was written, the revision record, what it changes over the one before,
    and how many facts are new, changed or ended."""

    written: bool
    revision: Revision
    changes: ChangedResources
    facts: int


_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("source_", metavar="[SOURCE]", required=False)
@click.option(
    "--from-kubernetes", is_flag=True, help="What is in force in Kubernetes, facts too, and what changes."
)
@click.option("--facts-only", is_flag=True, help="From Kubernetes only facts: others publish the policies.")
@click.option("--once", is_flag=True, help="From Kubernetes what is there now, without what changes.")
@click.option("--kubeconfig", type=_FILE, help="Else kubectl's own; in a pod its service account.")
@click.option("--context", help="Of the kubeconfig; else its current one.")
@click.option("--facts", is_flag=True, help="Also the namespaces, pods and so on that are found there.")
@click.option("--takeover", is_flag=True, help="Replace policies that another source published.")
@click.option("--source", help="Name of where they come from; else the host and the directory.")
@click.option("--by", help="Who publishes: a person or service account; else the user and the host.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of tables.")
@click.pass_obj
def publish(
    in_force: InForce,
    source_: str | None,
    *,
    from_kubernetes: bool,
    facts_only: bool,
    once: bool,
    kubeconfig: Path | None,
    context: str | None,
    facts: bool,
    takeover: bool,
    source: str | None,
    by: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make what is in SOURCE the policies in force; what is not there any more is removed.

    SOURCE is a directory or a git revision (origin/main:policies). With --from-kubernetes it is a Kubernetes
    API, whose changes are published as they come, until told to stop.
    """
    if bool(source_) == from_kubernetes:
        raise click.UsageError("name a SOURCE, or say --from-kubernetes: one of both.")
    if not from_kubernetes and (facts_only or once or kubeconfig or context):
        raise click.UsageError("--facts-only, --once, --kubeconfig and --context go with --from-kubernetes.")
    if from_kubernetes and (facts_only if dry_run else as_json):
        raise click.UsageError(
            "--dry-run shows policies, not --facts-only; --json goes with it, or with a SOURCE."
        )
    if from_kubernetes:
        # Its client takes a second to import, and nothing else needs it.
        from agents import publish_kubernetes  # noqa: PLC0415

        access = Access(kubeconfig, context)
        if not dry_run:
            wanted = publish_kubernetes.Wanted(access, source, by, facts_only, takeover, once)
            publish_kubernetes.run(load_settings(), wanted)
            return
        loaded, origin = publish_kubernetes.read(access, source, by)
    else:
        loaded, origin = _read(source_ or "", in_force, source, by)
    do = preview if dry_run else publish_
    published = do(
        load_settings(), loaded, origin, with_facts=facts and not from_kubernetes, takeover=takeover
    )
    _tell(published, written=not dry_run, as_json=as_json)


def _read(source_: str, in_force: InForce, source: str | None, by: str | None) -> tuple[Loaded, Origin]:
    if source_ == IN_FORCE:
        raise SourceError("cluster: those are in force already; publish a directory or a git revision")
    found = read_source(source_, in_force)
    return found.loaded, origin_of(found, source, by)


def _tell(published: Published, *, written: bool, as_json: bool) -> None:
    _warn(published)
    if as_json:
        report = PublishedReport(written, published.revision, published.changes, published.facts)
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
    elif not written:
        _show_changes(published, Console(markup=False))
    else:
        _show_published(published, Console(stderr=True, markup=False))


def _warn(published: Published) -> None:
    for warning in published.loaded.warnings:
        click.echo(f"warning: {warning}", err=True)


def _show_published(published: Published, console: Console) -> None:
    revision, changes = published.revision, published.changes
    title = f"Revision {revision.revision}, from {revision.source}"
    table = Table("", Column(overflow="fold"), title=title, show_header=False)
    table.add_row("resources", str(revision.resources))
    table.add_row("new or changed", str(len(changes.new) + len(changes.changed)))
    table.add_row("removed", str(len(changes.removed)))
    table.add_row("facts new, changed or ended", str(published.facts))
    table.add_row("by", revision.by)
    table.add_row("commit", revision.commit or "none")
    if revision.author:
        table.add_row("author", revision.author)
    for kind, count in sorted(published.loaded.passed_over.items()):
        table.add_row(f"passed over: {kind}", str(count))
    console.print(table)


def _show_changes(published: Published, console: Console) -> None:
    """What would be written: `+` new, `~` changed with the fields, `-` removed."""
    revision, changes = published.revision, published.changes
    console.print(
        f"Revision {revision.revision} would be published from {revision.source}, commit"
        f" {revision.commit or 'none'}:",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("", Column(overflow="fold"), Column(overflow="fold"), show_header=False)
    for key in changes.new:
        table.add_row("+", key, "new")
    for each in changes.changed:
        table.add_row("~", each.resource, _fields(each.fields))
    for key in changes.removed:
        table.add_row("-", key, "removed")
    console.print(table if changes else "nothing changes: these policies are in force already")
    if published.facts:
        console.print(f"facts new, changed or ended: {published.facts}")


def _fields(fields: tuple[str, ...]) -> str:
    more = len(fields) - _SHOWN_FIELDS
    return ", ".join(fields[:_SHOWN_FIELDS]) + (f" and {more} more" if more > 0 else "")

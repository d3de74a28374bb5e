"""`flowtier recommendations`: what is recommended and why, the way into git, and what people decide."""

import getpass
import sys
import time
from pathlib import Path
from typing import Any, Literal

import click
import msgspec
from rich.console import Console

from agents.commands import load_settings
from agents.decide import decide
from agents.known_recommendations import Known, RecommendationsError, name_of, read_known
from pipeline.recommend.about import about, when
from pipeline.recommend.pull import pull as pull_
from pipeline.recommend.pulled_files import PulledFiles
from pipeline.recommend.recommendation import Decision
from pipeline.recommend.render import to_yaml
from pipeline.recommend.report import decided, listing, steps_table
from pipeline.settings import Settings

LEFT = 1  # exit code: a person has to do something, or --check: something would change

_NAME = click.argument("name")
_JSON = click.option("--json", "as_json", is_flag=True, help="As JSON, one object a line.")
_NAMESPACE = click.option("--namespace", help="Of this namespace only.")


@click.group()
def recommendations() -> None:
    """Staged policies that were made from traffic: list them, review them, bring them into git.

    NAME is namespace/name, snp:namespace/name as in traces, or the name alone where only one has it.
    """


@recommendations.command("list")
@_NAMESPACE
@_JSON
def list_(namespace: str | None, *, as_json: bool) -> None:
    """Show what is recommended, how far it is to be trusted, and what was decided.

    allows: the share of later connections, that it had not learned from, which it allows. opens: pairs of
    workloads, and addresses, that were never seen to talk.
    """
    _, known = _read()
    found = [name for name in known.names if namespace in (None, name.rpartition(":")[2].partition("/")[0])]
    for reason in known.unreadable.values():
        click.echo(reason, err=True)
    if as_json:
        for name in found:
            click.echo(msgspec.json.encode(_plain(known, name)).decode())
    elif found:
        own = [known.recommendations[name] for name in found if name in known.recommendations]
        listing(own, Console(), {name: known.decisions[name] for name in found if name in known.decisions})
    else:
        click.echo("Nothing is recommended.")


@recommendations.command()
@_NAME
@_JSON
@click.option("--yaml", "as_yaml", is_flag=True, help="The manifest only.")
def show(name: str, *, as_json: bool, as_yaml: bool) -> None:
    """Show a policy, what each rule was made from, and what it would cut and open."""
    _, known = _read()
    name = name_of(name, known.names)
    manifest, found, decision = (
        known.manifest(name),
        known.recommendations.get(name),
        known.decisions.get(name),
    )
    if as_json:
        click.echo(msgspec.json.encode({"recommendation": found, "decision": decision}).decode())
        return
    if decision and not as_yaml:
        click.echo(f"{name}: {decided(decision)}, {when(decision.at)}")
    manifest = manifest or (found.manifest if found else None)
    if manifest:
        click.echo(to_yaml(manifest), nl=False)
    elif as_yaml:
        raise RecommendationsError(f"{name} is ignored: it has a manifest again once it is reopened")
    if found and not as_yaml:
        Console().print(*about(found), sep="\n")


@recommendations.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@_NAMESPACE
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where something would change.")
def pull(directory: Path, namespace: str | None, *, check: bool) -> None:
    """Write what is recommended to DIRECTORY/<namespace>/<name>.yaml, to be committed.

    Of accepted ones that is what was accepted; ignored ones are not written. Files that you edited stay
    yours: what was recommended since you pulled last is merged into them, by rules and fields, and comments
    and order stay. What was pulled last is kept in DIRECTORY/.flowtier: commit it too.

    Where both sides changed the same, your file is left, the conflict is named, and the proposal stands
    beside it as <name>.yaml.new. Edit your file or move the proposal over it; once the .new file is gone,
    that is settled. A file that you delete stays deleted until you delete its .flowtier file as well.
    A policy that is no longer recommended goes, unless you edited its file.

    Exit code 1: there are conflicts, or something could not be written.
    """
    _, known = _read()
    manifests = list(known.manifests())
    if not known.names and any(PulledFiles(directory).pulled()):
        raise RecommendationsError(
            f"nothing at all is recommended, and everything in {directory} would go: it is left as it is; see"
            " FLOWTIER_TOPICS_PREFIX, or wait for flowtier worker to propose anew"
        )
    steps = pull_(directory, manifests, namespace, check=check)
    if any(step.word != "unchanged" for step in steps):
        Console().print(steps_table(steps))
    else:
        click.echo(f"{len(steps)} policies are as they were.")
    for step in (step for step in steps if step.failed):
        for reason in step.reasons:
            click.echo(f"{directory / step.file}: {step.word}: {reason}", err=True)
    if any(step.failed or (check and step.writes) for step in steps):
        sys.exit(LEFT)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"


def _deciding(command: Any) -> Any:
    by = click.option("--by", default=_user, show_default="your user name", help="Who decides.")
    return _NAME(click.option("--reason", default="", help="Why, for those who come after you.")(by(command)))


@recommendations.command()
@_deciding
def accept(name: str, by: str, reason: str) -> None:
    """Take a policy as it is recommended now: it stays so, whatever is learned after it."""
    _decide(name, "accept", by, reason)


@recommendations.command()
@_deciding
def ignore(name: str, by: str, reason: str) -> None:
    """Do not recommend a policy any more."""
    _decide(name, "ignore", by, reason)


@recommendations.command()
@_NAME
def reopen(name: str) -> None:
    """Take back what was decided: the policy is recommended again as its traffic is then."""
    settings, known = _read()
    name = name_of(name, known.names)
    if name not in known.decisions:
        raise RecommendationsError(f"nothing was decided on {name}")
    decide(settings, name, None)
    click.echo(f"{name} is open again.")


def _decide(name: str, what: Literal["accept", "ignore"], by: str, reason: str) -> None:
    settings, known = _read()
    name = name_of(name, known.names)
    manifest = None
    if what == "accept":
        if name not in known.recommendations:
            raise RecommendationsError(
                f"{name} is not recommended now: flowtier recommendations reopen {name}"
            )
        manifest = known.recommendations[name].manifest
    decision = Decision(name, what, by, int(time.time() * 1000), reason, manifest)
    decide(settings, name, decision)
    click.echo(f"{name} is {decided(decision)}")


def _read() -> tuple[Settings, Known]:
    settings = load_settings()
    return settings, read_known(settings)


def _plain(known: Known, name: str) -> dict[str, Any]:
    found, decision = known.recommendations.get(name), known.decisions.get(name)
    score = found.score if found else None
    return {
        "name": name,
        "namespace": name.rpartition(":")[2].partition("/")[0],
        "status": found and found.status.word,
        "workloads": found and found.workloads,
        "rules": found and len(found.rules),
        "recall": score and score.replay.recall,
        "opens": score and score.opened,
        "decision": decision and decision.decision,
        "by": decision and decision.by,
        "reason": decision and decision.reason,
    }

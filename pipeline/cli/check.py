"""`flowtier check`: what Calico would refuse in manifests, and what a person would want to know of them."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console

from pipeline.check.as_json import as_json
from pipeline.check.as_junit import as_junit
from pipeline.check.as_sarif import as_sarif
from pipeline.check.as_text import as_text
from pipeline.check.correct import Correction, corrected
from pipeline.check.registry import RULES
from pipeline.check.report import report_of
from pipeline.check.run import check as check_
from pipeline.check.run import check_author
from pipeline.cli.in_force import InForce
from pipeline.cli.sources import HELP, IN_FORCE, read_source
from pipeline.policy.edit_write import write_files
from pipeline.policy.load import Loaded
from pipeline.policy.rbac import Rbac, Who

FOUND = 1  # exit code: something was found that lets the check fail
FORMS = {"text": as_text, "json": as_json, "sarif": as_sarif, "junit": as_junit}


def _print_rules(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        for lint in RULES:
            click.echo(f"{lint.id} ({lint.severity}): {lint.says}\n    {lint.do}")
        context.exit()


@click.command()
@click.argument("source", metavar="DIR")
@click.option(
    "--facts",
    multiple=True,
    help="Manifests that tell of the cluster (pods, namespaces, tiers, …); as DIR. May be repeated.",
)
@click.option(
    "--as", "user", help="Who makes the change: what they may not change is an error. Needs --base."
)
@click.option("--group", "groups", multiple=True, help="A group of that user's. May be repeated.")
@click.option("--base", help="What it is a change of, as DIR; its roles and bindings say who may do what.")
@click.option("--rbac", help="Where roles and bindings are, if elsewhere; as DIR.")
@click.option("--format", "form", type=click.Choice(list(FORMS)), default="text", show_default=True)
@click.option("--json", "as_json_", is_flag=True, help="The same as --format json.")
@click.option("--strict", is_flag=True, help="Let warnings fail the check, too, not errors alone.")
@click.option("--fix", is_flag=True, help="Put right in the files what has one right answer, then check.")
@click.option(
    "--rules",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_rules,
    help="Print what is looked for.",
)
@click.pass_obj
def check(
    in_force: InForce,
    source: str,
    facts: tuple[str, ...],
    user: str | None,
    groups: tuple[str, ...],
    base: str | None,
    rbac: str | None,
    *,
    form: str,
    as_json_: bool,
    strict: bool,
    fix: bool,
) -> None:
    """Say what is wrong with the manifests in DIR, and what a person would want to know of them.

    Exit code 1: something was found: an error, or with --strict a warning.
    """
    if bool(user) != bool(base):
        raise click.UsageError("--as and --base need each other: who changes what.")
    with _no_garbage():
        loaded = read_source(source, in_force).loaded
        if fix:
            _fix(source, loaded, Console(stderr=True))
            loaded = read_source(source, in_force).loaded
        told = [read_source(each, in_force).loaded for each in facts]
        found = check_(loaded, told, [in_force.facts()] if IN_FORCE in facts else [])
        if user and base:
            rights = Rbac.of(read_source(rbac, in_force).loaded) if rbac else None
            before = read_source(base, in_force).loaded
            found += check_author(before, loaded, Who.of(user, groups), rights)
    report = report_of(source, loaded, found, strict=strict)
    sys.stdout.write(FORMS["json" if as_json_ else form](report))
    if report.failed:
        raise SystemExit(FOUND)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Nearly all that is made stays until the end: looking for garbage in it costs a quarter of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


check.help = f"{check.help}\n\nDIR is {HELP}."


def _fix(source: str, loaded: Loaded, console: Console) -> None:
    """Write the files that can be put right. Raises WriteError where one cannot be written: none is then."""
    if not Path(source).exists():
        raise click.UsageError("--fix writes files: DIR must be a directory or a file")
    before = dict(sorted((Path(name), Path(name).read_bytes()) for name in _readable(loaded)))
    results = {file: corrected(content) for file, content in before.items()}
    write_files(before, {file: content for file, (content, done) in results.items() if done})
    for file, (_, done) in results.items():
        for each in done:
            _say(file, each, console)


def _readable(loaded: Loaded) -> set[str]:
    names = {place.file for place in loaded.places.values()} | {each.file for each in loaded.problems}
    return {name for name in names if Path(name).is_file()}


def _say(file: Path, each: Correction, console: Console) -> None:
    text = f"{file}:{each.line}: {each.field}: {each.before} ▸ {each.after}"
    console.print(text, markup=False, highlight=False, soft_wrap=True)

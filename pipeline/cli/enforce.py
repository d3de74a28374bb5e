"""`flowtier enforce`: the enforced twins of staged policies, written into files that people keep in git."""

import sys
from collections.abc import Iterator, Mapping
from difflib import unified_diff
from os.path import normpath
from pathlib import Path, PurePath

import click
import msgspec

from pipeline.policy.edit import Enforced, Word
from pipeline.policy.edit import enforce as enforce_
from pipeline.policy.edit_kustomization import NAMES, without_files
from pipeline.policy.edit_layout import EditError
from pipeline.policy.edit_write import write_files
from pipeline.policy.load import load_paths, load_texts
from pipeline.policy.policies import ENFORCED_KINDS, PolicyKey

REFUSED = 1  # exit code: at least one policy was, and nothing was written
_FORM = "as traces write it: snp:namespace/name, sgnp:name or sknp:namespace/name"


class EnforcedPolicy(msgspec.Struct, frozen=True):
    """A staged policy, its twin, what became of it (`word`), in which file, and why where it was not done."""

    policy: str
    twin: str
    word: Word
    file: str
    reason: str


class ChangedFile(msgspec.Struct, frozen=True):
    """A file that is written or deleted, and the unified diff."""

    file: str
    deleted: bool
    diff: str


class EnforceReport(msgspec.Struct, frozen=True):
    """What `--json` tells. `notes`: what a person has to see to."""

    written: bool
    policies: tuple[EnforcedPolicy, ...]
    files: tuple[ChangedFile, ...]
    notes: tuple[str, ...]


@click.command()
@click.argument("policies", nargs=-1, metavar="POLICY…")
@click.option(
    "--in",
    "directory",
    type=click.Path(exists=True, path_type=Path),
    required=True,
    help="The directory or file that holds the policies.",
)
@click.option("--all", "everything", is_flag=True, help="Every staged policy but those to Learn or Ignore.")
@click.option("--dry-run", is_flag=True, help="Print the difference, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
def enforce(
    policies: tuple[str, ...], directory: Path, *, everything: bool, dry_run: bool, as_json: bool
) -> None:
    """Write the enforced twins of staged policies into the files, and take the staged ones out.

    POLICY is named as in traces: snp:namespace/name, sgnp:name, sknp:namespace/name. What is not touched
    stays as it is written, comments too. All files are written, or none.

    Exit code 1: one of the policies cannot be enforced; nothing is written.
    """
    if bool(policies) == everything:
        raise click.UsageError("name the staged policies, or give --all")
    chosen = None if everything else [_key(each) for each in policies]
    before = _read(directory)
    result = enforce_({name: before[name] for name in before if PurePath(name).name not in NAMES}, chosen)
    after, notes = _kustomized(before, result.files)
    load_texts(
        (name, after.get(name) or b"") for name in before if after.get(name, b"") is not None
    ).require()
    if after and not dry_run:
        files = {Path(name): content for name, content in after.items()}
        write_files({path: before[str(path)] for path in files}, files)
    report = EnforceReport(
        written=bool(after) and not dry_run,
        policies=tuple(_told(result)),
        files=tuple(_diff(name, before[name], after[name]) for name in sorted(after)),
        notes=notes,
    )
    _say(report, as_json=as_json, dry_run=dry_run)
    if any(each.word == "refused" for each in report.policies):
        raise SystemExit(REFUSED)


def _key(text: str) -> PolicyKey:
    kind, colon, rest = text.partition(":")
    namespace, _, name = rest.rpartition("/")
    if kind not in ENFORCED_KINDS or not (colon and name) or (kind == "sgnp") == bool(namespace):
        raise click.BadParameter(f"{text!r} names no staged policy; write it {_FORM}", param_hint="POLICY")
    return PolicyKey(kind, namespace, name)


def _read(directory: Path) -> dict[str, bytes]:
    """The files that hold policies, and the kustomizations beside and above them. Raises ManifestError."""
    loaded = load_paths([directory])
    loaded.require()
    names = {place.file for place in loaded.places.values()}
    top = directory if directory.is_dir() else directory.parent
    folders = {folder for name in names for folder in _folders(Path(name), top)}
    names |= {str(folder / name) for folder in folders for name in NAMES if (folder / name).is_file()}
    try:
        return {name: Path(name).read_bytes() for name in sorted(names)}
    except OSError as error:
        raise EditError(f"{error.filename}: {error.strerror}") from None


def _folders(file: Path, top: Path) -> Iterator[Path]:
    for folder in file.parents:
        yield folder
        if folder == top:
            return


def _kustomized(
    before: Mapping[str, bytes], files: Mapping[str, bytes | None]
) -> tuple[dict[str, bytes | None], tuple[str, ...]]:
    """The files with the kustomizations that named what is gone, and what a person has to see to."""
    after, notes = dict(files), list[str]()
    gone = {PurePath(normpath(name)) for name, content in files.items() if content is None}
    for name in before if gone else ():
        if PurePath(name).name in NAMES:
            changed = without_files(before[name], PurePath(name).parent, gone)
            if changed.content is not None:
                after[name] = changed.content
            notes += (f"{name}: {note}" for note in changed.notes)
    return after, tuple(notes)


def _told(result: Enforced) -> Iterator[EnforcedPolicy]:
    for each in result.outcomes:
        yield EnforcedPolicy(str(each.policy), str(each.policy.twin), each.word, each.file, each.reason)


def _diff(name: str, before: bytes, after: bytes | None) -> ChangedFile:
    old, new = (text.decode(errors="replace").splitlines(keepends=True) for text in (before, after or b""))
    found = unified_diff(old, new, f"a/{name}", "/dev/null" if after is None else f"b/{name}")
    lines = (line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in found)
    return ChangedFile(name, after is None, "".join(lines))


def _say(report: EnforceReport, *, as_json: bool, dry_run: bool) -> None:
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
        return
    for each in report.files if dry_run else ():
        click.echo(each.diff, nl=False)
    refused = [each for each in report.policies if each.word == "refused"]
    for policy in refused or report.policies:
        click.echo(_line(policy), err=dry_run or bool(refused))
    if refused:
        click.echo("nothing was written", err=True)
    for file in report.files if not dry_run else ():
        click.echo(f"{file.file}: {'deleted, it held nothing more' if file.deleted else 'written'}")
    for note in report.notes:
        click.echo(f"warning: {note}", err=True)
    if not report.policies:
        click.echo("nothing is staged", err=True)


def _line(each: EnforcedPolicy) -> str:
    said = {
        "created": f"becomes {each.twin}, in {each.file}",
        "replaced": f"takes the place of {each.twin}, in {each.file}",
        "deleted": f"goes, and {each.twin} with it",
        "already": f"is enforced already: {each.twin}, in {each.file}",
        "left out": f"stays staged: {each.reason}",
        "refused": f"cannot be enforced: {each.reason}",
    }
    return f"{each.policy}: {said[each.word]}"

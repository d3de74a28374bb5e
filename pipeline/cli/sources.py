"""Where a command's manifests come from: a directory or file, a git revision, or what is in force."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from pipeline.cli.in_force import InForce
from pipeline.facts import Facts
from pipeline.git import read_tree
from pipeline.policy.load import Loaded, load_paths, load_texts
from pipeline.policy.policies import Policies
from pipeline.policy.problems import Problem
from pipeline.policy.revision import to_policies
from pipeline.user_error import UserError

IN_FORCE = "cluster"
HELP = "a directory, a git revision (origin/main:policies), or `cluster` for the revision in force"


class SourceError(UserError):
    """A source that cannot be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """The manifests of one source, its name as it was typed, and the commit of a git revision."""

    name: str
    loaded: Loaded
    commit: str | None = None

    @property
    def policies(self) -> Policies:
        """The whole revision. Raises ManifestError where a manifest cannot be used."""
        return to_policies(self.loaded)


def read_source(text: str, in_force: InForce) -> Source:
    """The source that was typed: HELP says what it may be. A path that is there goes before a revision.

    Raises SourceError where there is nothing of that name, GitError where a revision cannot be read.
    """
    if text == IN_FORCE:
        return Source(text, in_force.policies())
    path = Path(text)
    if path.exists():
        return Source(text, load_paths([path]))
    if ":" not in text:
        raise SourceError(f"{text}: there is no such directory or file, and it is no git revision REV:PATH")
    tree = read_tree(text)
    loaded = load_texts(tree.files)
    links = (Problem(name, 1, "file", "is a link or a submodule: not followed") for name in tree.links)
    return Source(text, replace(loaded, warnings=(*loaded.warnings, *links)), tree.commit)


def require(loaded: Loaded, console: Console) -> None:
    """Warnings go to the console; raises ManifestError where a manifest cannot be used."""
    loaded.require()
    for warning in loaded.warnings:
        console.print(f"warning: {warning}", style="yellow", markup=False, highlight=False)


def read_whole(text: str, in_force: InForce, console: Console) -> Source:
    """The same, where all of it can be used; warnings go to the console. Raises ManifestError, too."""
    source = read_source(text, in_force)
    require(source.loaded, console)
    return source


def facts_of(sources: Iterable[Source]) -> Facts:
    """The facts that the sources' manifests hold, taken as having been so since their creation or ever."""
    return Facts.from_resources(each.plain for source in sources for each in source.loaded.facts)

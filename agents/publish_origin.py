"""Where the policies that are published come from: who, which commit, and whose they are."""

import getpass
import os
import socket
from pathlib import Path

from pipeline.cli.sources import Source
from pipeline.git import GitError, author_of, commit_of, is_changed, top_of
from pipeline.revisions import Origin

DIRTY = "-dirty"  # behind a commit whose files were changed since, as `git describe --dirty` writes it


def origin_of(source: Source, name: str | None, by: str | None) -> Origin:
    """The origin of a directory or a git revision; `name` and `by` where they were given.

    Else a revision's owner is called as its directory in the work tree would be: whichever of both is
    published next, it is the same one.
    """
    path = Path(source.name)
    try:
        place = path.resolve() if source.commit is None else _place(source.name)
        commit = source.commit or commit_of(path)
        author = author_of(commit, Path() if source.commit else _folder(path)) if commit else None
        if commit and not source.commit and is_changed(path):
            commit += DIRTY
    except GitError:  # no git: only a directory can have been read
        place, commit, author = path.resolve(), None, None
    return Origin(
        source=name or f"{socket.gethostname()}:{place}", by=by or who(), commit=commit, author=author
    )


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _place(text: str) -> Path:
    """Where REV:PATH stands in the work tree, or in the repository that has none."""
    _, _, path = text.partition(":")
    top = Path() if path.startswith(("./", "../")) else top_of(Path()) or Path()
    return (top / path).resolve()


def who() -> str:
    """The user and the host that this runs as."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user that has no name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"

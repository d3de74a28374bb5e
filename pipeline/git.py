"""Manifests as a git revision holds them, read without a work tree."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.policy.load import SUFFIXES
from pipeline.user_error import UserError

_FILE, _LINK, _MODULE = "10", "12", "16"  # how the modes of blobs, symbolic links and submodules begin


class GitError(UserError):
    """A revision that cannot be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Tree:
    """What stands under one path of one commit.

    `files` are the manifests (name, content), named `REV:PATH/file`; `links` the names of symbolic links
    and submodules, which are not followed.
    """

    commit: str
    files: tuple[tuple[str, bytes], ...]
    links: tuple[str, ...]


def read_tree(text: str, repository: Path = Path()) -> Tree:
    """The manifests under REV:PATH, as `load_paths` would take them from a directory: those that are not
    hidden. PATH is from the top of the repository, as git takes it, or from the current folder with `./`.

    Raises GitError where there is no such repository, revision or path.
    """
    revision, _, path = text.partition(":")
    commit = _commit(repository, revision)
    place = f"{commit}:{path}"
    if _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", place) is None:
        raise GitError(f"{text}: git revision {revision} has no path {path}")
    if _said(repository, "cat-file", "-t", place).strip() == b"blob":
        return Tree(commit, ((text, _said(repository, "cat-file", "blob", place)),), ())
    files, links = list[tuple[str, bytes]](), list[str]()
    base = text if text.endswith((":", "/")) else f"{text}/"
    for mode, blob, name in _listed(repository, place):
        if mode.startswith(_FILE):
            files.append((base + name, _said(repository, "cat-file", "blob", blob)))
        elif mode.startswith((_LINK, _MODULE)):
            links.append(base + name)
    return Tree(commit, tuple(files), tuple(links))


def commit_of(path: Path) -> str | None:
    """The commit that a directory's work tree is at; None outside of git."""
    folder = path if path.is_dir() else path.parent
    found = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    return found.decode().strip() if found else None


def top_of(path: Path) -> Path | None:
    """The top of the work tree that a directory is in; None outside of git."""
    found = _git(path, "rev-parse", "--show-toplevel")
    return Path(found.decode().rstrip("\n")) if found else None


def is_changed(path: Path) -> bool:
    """Whether what stands at or below a path of a work tree is not as it was committed."""
    folder = path if path.is_dir() else path.parent
    status = ("--no-optional-locks", "status", "--porcelain", "--untracked-files=all", "--")
    return bool(_said(folder, *status, str(path.resolve())))


def author_of(commit: str, repository: Path = Path()) -> str:
    """The author of a commit, as `Name <address>`."""
    form = ("log", "-1", "--no-show-signature", "--format=%aN <%aE>")
    return _said(repository, *form, "--end-of-options", commit).decode(errors="replace").strip()


def _listed(repository: Path, place: str) -> Iterator[tuple[str, str, str]]:
    """(mode, object, path below `place`) of every entry that may be a manifest, in git's order."""
    listed = _said(repository, "ls-tree", "-r", "-z", "--full-tree", place).decode(errors="replace")
    for entry in listed.split("\0")[:-1]:
        about, _, name = entry.partition("\t")
        mode, _, blob = about.split(" ")
        path = PurePosixPath(name)
        hidden = any(part.startswith(".") for part in path.parts)
        if not hidden and (path.suffix.lower() in SUFFIXES or mode.startswith(_MODULE)):
            yield mode, blob, name


def _commit(repository: Path, revision: str) -> str:
    asked = f"{revision}^{{commit}}"
    found = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", asked)
    if found:
        return found.decode().strip()
    if (shallow := _git(repository, "rev-parse", "--is-shallow-repository")) is None:
        raise GitError(f"{revision}: {repository.resolve()} is in no git repository that can be read")
    reason = f"git knows no revision {revision!r}"
    if shallow.strip() == b"true":
        reason += "; this clone is shallow: fetch the rest with git fetch --unshallow (in CI: fetch-depth 0)"
    raise GitError(reason)


def _git(repository: Path, *arguments: str) -> bytes | None:
    """What git says; None where it refuses. Raises GitError where there is no git."""
    command = ["git", "-C", str(repository), "--no-replace-objects", "-c", "core.quotePath=false"]
    try:
        done = subprocess.run([*command, *arguments], capture_output=True, check=False)
    except OSError as error:
        raise GitError(f"git cannot be run: {error.strerror}") from None
    return None if done.returncode else done.stdout


def _said(repository: Path, *arguments: str) -> bytes:
    said = _git(repository, *arguments)
    if said is None:
        raise GitError(f"git {' '.join(arguments)} failed in {repository.resolve()}")
    return said

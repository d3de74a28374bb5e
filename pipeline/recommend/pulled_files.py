"""The directory that recommendations are pulled into: its files, and beside them what was pulled last."""

import secrets
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.policy.schema import SUBDOMAIN, resource_name

# Hidden, and without a suffix that kubectl, Flux and Argo CD take for manifests.
STATE = ".flowtier"
PULLED, IN_CONFLICT = ".pulled", ".conflict"
_MAX_LABEL = 63


class FileError(ValueError):
    """A file that is not read and not written; the message says why."""


class Place:
    """Where one policy stands, relative to the directory. Raises FileError for what is no name."""

    def __init__(self, namespace: object, name: object) -> None:
        label = namespace if isinstance(namespace, str) else ""
        if "." in label or len(label) > _MAX_LABEL or not SUBDOMAIN.match(label):
            raise FileError(f"namespace {label[:80]!r} must be lower case letters, digits and '-' (RFC 1123)")
        try:
            self.name = resource_name(name if isinstance(name, str) else "")
        except ValueError as error:
            raise FileError(str(error)) from None
        self.namespace = label

    @property
    def file(self) -> PurePosixPath:
        return PurePosixPath(self.namespace, f"{self.name}.yaml")

    @property
    def proposal(self) -> PurePosixPath:
        """What was recommended where that is in conflict with the file."""
        return PurePosixPath(self.namespace, f"{self.name}.yaml.new")

    @property
    def pulled(self) -> PurePosixPath:
        return PurePosixPath(STATE, self.namespace, self.name + PULLED)

    @property
    def in_conflict(self) -> PurePosixPath:
        """A copy of the proposal: where that is gone, a person has dealt with it."""
        return PurePosixPath(STATE, self.namespace, self.name + IN_CONFLICT)


class PulledFiles:
    """Reads and writes below one directory only: no link is followed out of it."""

    def __init__(self, directory: Path) -> None:
        self._root = directory.resolve()

    def read(self, path: PurePosixPath) -> bytes | None:
        """None where there is no such file. Raises FileError."""
        file = self._inside(path)
        try:
            if not stat.S_ISREG(file.lstat().st_mode):
                raise FileError(f"{path} is no file")
            return file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise FileError(f"{path}: {error.strerror}") from None

    def write(self, path: PurePosixPath, content: bytes | None) -> None:
        """The whole content or nothing of it; None removes the file. Raises FileError."""
        file = self._inside(path)
        try:
            if content is None:
                file.unlink(missing_ok=True)
                _remove_empty(file.parent)
                return
            file.parent.mkdir(parents=True, exist_ok=True)
            _put(file, content)
        except OSError as error:
            raise FileError(f"{path}: {error.strerror}") from None

    def pulled(self) -> Iterator[Place]:
        """Every policy that something is kept of."""
        found = self._root.glob(f"{STATE}/*/*")
        kept = {(file.parent.name, file.stem) for file in found if file.suffix in (PULLED, IN_CONFLICT)}
        for namespace, name in sorted(kept):
            try:
                yield Place(namespace, name)
            except FileError:  # nothing that was pulled
                continue

    def _inside(self, path: PurePosixPath) -> Path:
        for each in (path, *path.parents[:-1]):
            if (self._root / each).is_symlink():
                raise FileError(f"{each} is a symbolic link")
        return self._root / path


def _put(file: Path, content: bytes) -> None:
    new = file.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with new.open("xb") as output:  # never through something that is there
            output.write(content)
        if file.exists():
            new.chmod(stat.S_IMODE(file.stat().st_mode))
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()

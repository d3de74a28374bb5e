"""Several files changed together: all of them, or none."""

import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from pipeline.policy.edit_layout import EditError


class WriteError(EditError):
    """Files that are not written; the message says why. All are as they were."""


def write_files(before: Mapping[Path, bytes], after: Mapping[Path, bytes | None]) -> None:
    """Put `after` in the place of what was read `before`; None deletes a file. Modes and links stay.

    Raises WriteError where a file is not any more what was read, or cannot be written.
    """
    ready: dict[Path, Path] = {}
    done: list[Path] = []
    try:
        for path, content in after.items():
            file = path.resolve()
            if file.read_bytes() != before[path]:
                raise WriteError(f"{path} was changed meanwhile: nothing was written, run it again")
            if content is not None:
                ready[path] = _beside(file, content)
        for path in after:
            _put(path.resolve(), ready.get(path))
            done.append(path)
    except OSError as error:
        for path in reversed(done):
            _put(path.resolve(), _beside(path.resolve(), before[path]))
        raise WriteError(f"{error.filename}: {error.strerror}; nothing was written") from None
    finally:
        for new in ready.values():
            new.unlink(missing_ok=True)


def _beside(file: Path, content: bytes) -> Path:
    new = file.with_name(f".{secrets.token_hex(8)}.tmp")
    with new.open("xb") as output:
        output.write(content)
    if file.exists():
        new.chmod(stat.S_IMODE(file.stat().st_mode))
    return new


def _put(file: Path, new: Path | None) -> None:
    if new is None:
        file.unlink()
    else:
        new.replace(file)

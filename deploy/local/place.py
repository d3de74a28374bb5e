"""Where the servers' files live, and the user whom they belong to."""

import hashlib
import os
import pwd
import stat
import tempfile
from pathlib import Path
from typing import TypedDict

from deploy.local.errors import StackError

CHECKOUT = Path(__file__).resolve().parents[2]


class Account(TypedDict, total=False):
    """The arguments of `subprocess` that say whom a process runs as."""

    user: int
    group: int
    extra_groups: list[int]


def account() -> Account:
    """Whom the servers run as: ourselves, or `nobody` where that is root, since Elasticsearch refuses it."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def local() -> Path:
    """The folder for servers, data and logs: `.local/`, or a temporary one where `nobody` cannot reach it."""
    inside = CHECKOUT / ".local"
    folder = inside if not account() or _is_open(CHECKOUT) else _temporary()
    folder.mkdir(mode=0o755, exist_ok=True)
    return folder


def give(folder: Path) -> Path:
    """Makes the folder, and makes it the servers' own."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    owner = account()
    if owner:
        os.chown(folder, owner["user"], owner["group"])
    return folder


def _is_open(folder: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (folder, *folder.parents))


def _temporary() -> Path:
    name = hashlib.sha256(str(CHECKOUT).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"flowtier-{name}"
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise StackError(f"{folder} belongs to somebody else: remove it, or set TMPDIR to another folder.")
    return folder

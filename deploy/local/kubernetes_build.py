"""kube-apiserver, built once by Go from its published module and kept outside the checkout."""

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.kubernetes_tools import TO_RUN, require
from deploy.local.progress import step

MODULE = Path(__file__).with_name("kube_apiserver")
_VERSION = re.compile(r"^\tk8s\.io/kubernetes (v\S+)$", re.MULTILINE)
# Without symbols, which nobody debugs here, it has two thirds of the size.
_FLAGS = ("-trimpath", "-ldflags=-s -w")


def binary() -> Path:
    """Where the program is once it is built; its name tells the version and what it is built of."""
    files = sorted(file for file in MODULE.iterdir() if file.suffix in {".mod", ".sum", ".go"})
    content = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]
    (version,) = _VERSION.findall((MODULE / "go.mod").read_text())
    return _cache() / f"kube-apiserver-{version}-{content}"


def is_built() -> bool:
    """Whether the program is there."""
    return binary().exists()


def build() -> Path:
    """The program, built where it is not there yet: minutes of all cores; raises StackError."""
    require(*TO_RUN)
    program = binary()
    program.parent.mkdir(parents=True, exist_ok=True)
    with (program.parent / "kube-apiserver.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            require("go")
            _build(program)
    return program


def _build(program: Path) -> None:
    partial = program.with_name(f"{program.name}.partial")
    with step("Building kube-apiserver (some minutes, once)"):
        done = subprocess.run(
            ["go", "build", *_FLAGS, "-o", str(partial), "."],
            cwd=MODULE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode:
        raise StackError(f"Go could not build kube-apiserver:\n{done.stdout[-2000:]}")
    partial.rename(program)


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "flowtier"


if __name__ == "__main__":
    try:
        print(build())
    except StackError as error:
        sys.exit(str(error))

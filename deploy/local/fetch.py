"""The servers' programs, fetched once by Maven as deploy/local/pom.xml pins them."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.progress import step
from deploy.local.tools import java_home, maven

POM = Path(__file__).with_name("pom.xml")


@dataclass(frozen=True, slots=True)
class Programs:
    """Where Java, Kafka's jars and Elasticsearch are."""

    java: Path
    kafka: Path
    elasticsearch: Path


def fetch(local: Path) -> Programs:
    """The programs under `local`/servers, which are the same for every stack; raises StackError."""
    java = java_home()
    servers = local / "servers" / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]
    with _lock(local):
        if not servers.is_dir():
            _fetch(servers, java)
    (elasticsearch,) = servers.glob("elasticsearch-*")
    return Programs(java, servers / "kafka", elasticsearch)


def _fetch(servers: Path, java: Path) -> None:
    command = [maven(), "--batch-mode", "--no-transfer-progress", "-f", str(POM), "process-resources"]
    partial = servers.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    environment = os.environ if shutil.which("java") else os.environ | {"JAVA_HOME": str(java)}
    with step("Fetching Kafka and Elasticsearch (about 175 MB, once)"):
        done = subprocess.run(
            [*command, f"-Dservers={partial}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            check=False,
        )
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if line.startswith("[ERROR]")]
        told = "\n".join(errors[:5]) or done.stdout[-2000:]
        raise StackError(f"Maven could not fetch the servers:\n{told}")
    # Whatever our umask is, the servers' user must be able to read them.
    subprocess.run(["chmod", "-R", "a+rX", servers.parent], check=True)
    partial.rename(servers)


@contextmanager
def _lock(local: Path) -> Iterator[None]:
    with (local / "fetch.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""Java and Maven as this machine has them."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from deploy.local.errors import StackError

OLDEST_JAVA = 21  # Elasticsearch 9 needs it; Kafka would do with 17
JVM_FOLDERS = ("/usr/lib/jvm/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home")


def java_home() -> Path:
    """The first Java that is new enough, whatever `java` is; raises StackError where there is none."""
    seen: dict[Path, int] = {}
    for home in _candidates():
        if home not in seen:
            seen[home] = _version(home)
        if seen[home] >= OLDEST_JAVA:
            return home
    newest = max(seen.values(), default=0)
    found = f"the newest one found is {newest}" if newest else "none was found"
    raise StackError(
        f"Java {OLDEST_JAVA} or newer is needed and {found}: install one (on Debian 13: apt-get install"
        " openjdk-21-jre-headless; elsewhere https://adoptium.net) or set JAVA_HOME to it."
    )


def maven() -> str:
    """The `mvn` to call; raises StackError where there is none."""
    path = shutil.which("mvn")
    if path is None:
        raise StackError(
            "Maven is needed to fetch Kafka and Elasticsearch, and there is no mvn: install it (on Debian:"
            " apt-get install maven; elsewhere https://maven.apache.org)."
        )
    return path


def _candidates() -> Iterator[Path]:
    for name in ("ES_JAVA_HOME", "JAVA_HOME"):
        if os.environ.get(name):
            yield Path(os.environ[name])
    java = shutil.which("java")
    if java:
        yield Path(java).resolve().parent.parent
    for pattern in JVM_FOLDERS:
        yield from sorted((home.resolve() for home in Path("/").glob(pattern[1:])), reverse=True)


def _version(home: Path) -> int:
    """Major version by what `java -version` says; 0 where it does not run."""
    try:
        told = subprocess.run(
            [home / "bin" / "java", "-version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return 0
    match = re.search(r'version "(?:1\.)?(\d+)', told.stderr)
    return int(match[1]) if match else 0

"""Elasticsearch on one node: Elastic's minimal distribution, with security where it is asked for."""

import os
import shutil
import subprocess
from pathlib import Path

import yaml

from deploy.local.child import Child
from deploy.local.errors import StackError
from deploy.local.fetch import Programs
from deploy.local.place import account, give
from deploy.local.ports import free_port
from deploy.local.security import Security

CONFIGURATION = """\
cluster.name: flowtier-local
discovery.type: single-node
network.host: 127.0.0.1
http.port: {port}
transport.port: {transport_port}
path.data: {data}
path.logs: {logs}
xpack.security.enabled: {secured}
# A developer's disk is often fuller than a server's may be.
cluster.routing.allocation.disk.threshold_enabled: false
"""
SECURED = """\
xpack.security.http.ssl.enabled: true
xpack.security.http.ssl.key: security/key.pem
xpack.security.http.ssl.certificate: security/cert.pem
"""


def elasticsearch(
    folder: Path, programs: Programs, preferred_port: int | None = None, security: Security | None = None
) -> Child:
    """The node with its configuration, data and logs in `folder`; the program itself is shared."""
    give(folder)
    port = free_port(preferred_port)
    config = give(folder / "config")  # its own: Elasticsearch writes a keystore beside its settings
    for file in (programs.elasticsearch / "config").iterdir():
        if file.is_file():
            shutil.copy(file, config)
    text = CONFIGURATION.format(
        port=port,
        transport_port=free_port(),
        data=give(folder / "data"),
        logs=give(folder / "logs"),
        secured=str(bool(security)).lower(),
    )
    (config / "elasticsearch.yml").write_text(text + (SECURED if security else ""))
    node = Child(
        name="Elasticsearch",
        address=f"{'https' if security else 'http'}://127.0.0.1:{port}",
        command=[str(programs.elasticsearch / "bin" / "elasticsearch")],
        environment={
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "ES_JAVA_HOME": str(programs.java),
            "ES_JAVA_OPTS": "-Xms512m -Xmx1g -XX:-AlwaysPreTouch",
            "ES_PATH_CONF": str(config),
            "ES_TMPDIR": str(give(folder / "tmp")),
        },
        folder=folder,
    )
    if security:
        _secure(node, config, programs, security)
    return node


def _secure(node: Child, config: Path, programs: Programs, security: Security) -> None:
    """Gives the node its certificate, roles and users."""
    security.write(config / "security")
    program = programs.elasticsearch / "bin" / "elasticsearch-users"
    (config / "roles.yml").write_text(yaml.safe_dump(dict(security.roles)))  # in lines: JSON is not read
    for user in security.roles:
        done = subprocess.run(
            [program, "useradd", user, "-p", security.passwords[user], "-r", user],
            env=node.environment | {"ES_JAVA_OPTS": "-XX:TieredStopAtLevel=1"},
            **account(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            told = (done.stdout + done.stderr)[-2000:]
            raise StackError(f"Elasticsearch does not take user {user}:\n{told}")

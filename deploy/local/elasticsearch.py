"""Elasticsearch on one node: Elastic's minimal distribution, without security."""

import os
import shutil
from pathlib import Path

from deploy.local.child import Child
from deploy.local.fetch import Programs
from deploy.local.place import give
from deploy.local.ports import free_port

CONFIGURATION = """\
cluster.name: flowtier-local
discovery.type: single-node
network.host: 127.0.0.1
http.port: {port}
transport.port: {transport_port}
path.data: {data}
path.logs: {logs}
xpack.security.enabled: false
# A developer's disk is often fuller than a server's may be.
cluster.routing.allocation.disk.threshold_enabled: false
"""


def elasticsearch(folder: Path, programs: Programs, preferred_port: int | None = None) -> Child:
    """The node with its configuration, data and logs in `folder`; the program itself is shared."""
    give(folder)
    port = free_port(preferred_port)
    config = give(folder / "config")  # its own: Elasticsearch writes a keystore beside its settings
    for file in (programs.elasticsearch / "config").iterdir():
        if file.is_file():
            shutil.copy(file, config)
    text = CONFIGURATION.format(
        port=port, transport_port=free_port(), data=give(folder / "data"), logs=give(folder / "logs")
    )
    (config / "elasticsearch.yml").write_text(text)
    return Child(
        name="Elasticsearch",
        address=f"http://127.0.0.1:{port}",
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

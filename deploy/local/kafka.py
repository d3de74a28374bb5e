"""Kafka on one node: broker and controller in one process (KRaft)."""

import os
import subprocess
from pathlib import Path

from deploy.local.child import Child
from deploy.local.errors import StackError
from deploy.local.fetch import Programs
from deploy.local.place import account, give
from deploy.local.ports import free_port

CLUSTER_ID = "flowtier-local-stack-0"  # 22 characters, as Kafka's ids are

PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
log.dirs={data}
# Topics are created explicitly: one that the broker makes has the wrong partitions.
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=16777216
"""


def kafka(folder: Path, programs: Programs, preferred_port: int | None = None) -> Child:
    """The broker with its data in `folder`, formatted where it is new; raises StackError."""
    give(folder)
    port = free_port(preferred_port)
    properties, data = folder / "server.properties", folder / "data"
    properties.write_text(PROPERTIES.format(port=port, controller_port=free_port(), data=data))
    java = [str(programs.java / "bin" / "java"), "-XX:+UseSerialGC", "-cp", f"{programs.kafka}/*"]
    if not data.exists():
        _format([*java, "-XX:TieredStopAtLevel=1"], properties)
    return Child(
        name="Kafka",
        address=f"127.0.0.1:{port}",
        command=[*java, "-Xms256m", "-Xmx512m", "kafka.Kafka", str(properties)],
        environment={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)},
        folder=folder,
    )


def _format(java: list[str], properties: Path) -> None:
    done = subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties)],
        cwd=properties.parent,
        **account(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = (done.stdout + done.stderr)[-2000:]
        raise StackError(f"Kafka's storage could not be formatted:\n{told}")

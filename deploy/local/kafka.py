"""Kafka on one node: broker and controller in one process (KRaft)."""

import os
import subprocess
from pathlib import Path

from deploy.local.child import Child
from deploy.local.errors import StackError
from deploy.local.fetch import Programs
from deploy.local.place import account, give
from deploy.local.ports import free_port
from deploy.local.security import Security

CLUSTER_ID = "flowtier-local-stack-0"  # 22 characters, as Kafka's ids are
MECHANISMS = ("SCRAM-SHA-256", "SCRAM-SHA-512")

PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners={listeners},CONTROLLER://127.0.0.1:{controller_port}
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
# Whoever comes in by the plain listener, as the broker itself does, may do everything; the others what
# ACLs allow them. SASL_SSL asks for a password, SSL for a client certificate.
SECURED = """\
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.ssl.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^.*CN=([^,]+).*$/$1/
sasl.enabled.mechanisms=SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config={login}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={login}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
"""
LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


def kafka(
    folder: Path, programs: Programs, preferred_port: int | None = None, security: Security | None = None
) -> Child:
    """The broker with its data in `folder`, formatted where it is new; raises StackError.

    A secured one also listens by SASL_SSL and SSL: `addresses` tells where.
    """
    give(folder)
    port = free_port(preferred_port)
    ports = {"PLAINTEXT": port}
    if security:
        ports |= {"SASL_SSL": free_port(), "SSL": free_port()}
    listeners = ",".join(f"{name}://127.0.0.1:{number}" for name, number in ports.items())
    properties, data = folder / "server.properties", folder / "data"
    text = PROPERTIES.format(listeners=listeners, controller_port=free_port(), data=data)
    if security:
        text += SECURED.format(folder=security.write(folder / "security"), login=LOGIN)
    properties.write_text(text)
    java = [str(programs.java / "bin" / "java"), "-XX:+UseSerialGC", "-cp", f"{programs.kafka}/*"]
    if not data.exists():
        _format([*java, "-XX:TieredStopAtLevel=1"], properties, security)
    return Child(
        name="Kafka",
        address=f"127.0.0.1:{port}",
        command=[*java, "-Xms256m", "-Xmx512m", "kafka.Kafka", str(properties)],
        environment={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder)},
        folder=folder,
    )


def addresses(folder: Path) -> dict[str, str]:
    """Where the broker in `folder` listens, by protocol."""
    lines = (folder / "server.properties").read_text().splitlines()
    (listeners,) = (line.removeprefix("listeners=") for line in lines if line.startswith("listeners="))
    return dict(listener.split("://") for listener in listeners.split(","))


def _format(java: list[str], properties: Path, security: Security | None) -> None:
    users = security.passwords if security else {}
    scram = [
        f"--add-scram={mechanism}=[name={user},password={password}]"
        for user, password in users.items()
        for mechanism in MECHANISMS
    ]
    done = subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties), *scram],
        cwd=properties.parent,
        **account(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        told = (done.stdout + done.stderr)[-2000:]
        raise StackError(f"Kafka's storage could not be formatted:\n{told}")

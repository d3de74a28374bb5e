"""A secured Kafka and a secured Elasticsearch, and users with no more rights than they need."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives import serialization
from elasticsearch import Elasticsearch

from deploy.local.kafka import addresses
from deploy.local.place import account
from deploy.local.security import Security
from deploy.local.stack import Stack
from tests import servers
from tests.agents.installation import FLOWTIER, ROOT, Installation

# The user of each command.
USERS = {
    "publish": "publisher",
    "worker": "worker",
    "ship": "shipper",
    "status": "reader",
    "rejects": "replayer",
    "recommendations": "reviewer",
}
PASSWORDS = {user: f"pass-of-{user}-9f3b" for user in (*USERS.values(), "admin")}
ROLES = {
    "worker": {
        "cluster": ["manage_index_templates"],
        "indices": [
            {
                "names": ["flowtier_flows.*", "flowtier_rejects.*"],
                "privileges": ["create_index", "index", "delete_index", "view_index_metadata"],
            },
            {"names": ["flowtier_recommendations.*"], "privileges": ["create_index", "index", "delete"]},
            {
                "names": ["flowtier_edges.*", "flowtier_rules.*"],
                "privileges": ["create_index", "index", "read", "delete_index", "view_index_metadata"],
            },
            {
                "names": ["flowtier_policies.*", "flowtier_readiness.*"],
                "privileges": ["create_index", "index", "read", "delete"],
            },
        ],
    },
    "reader": {"cluster": ["monitor"]},
    "admin": {"cluster": ["all"], "indices": [{"names": ["*"], "privileges": ["all"]}]},
}
# What each user may do in Kafka, beside seeing every topic: kind, name after the prefix, operations. A name
# that ends with a dot stands for all names that begin so.
RIGHTS = {
    "publisher": [
        ("TOPIC", "policies", "READ WRITE"),
        ("TOPIC", "facts", "READ WRITE"),
        ("TRANSACTIONAL_ID", "publish", "WRITE"),
    ],
    "worker": [
        ("TOPIC", "flows", "READ"),
        ("TOPIC", "policies", "READ"),
        ("TOPIC", "facts", "READ"),
        ("TOPIC", "flow-observations", "READ WRITE"),
        ("TOPIC", "flows-rejected", "READ WRITE"),
        ("TOPIC", "workers", "WRITE"),
        ("TOPIC", "policy-recommendations", "READ WRITE"),
        ("TOPIC", "recommendation-decisions", "READ"),
        ("TOPIC", "flowtier-recommend-learned", "READ WRITE"),
        ("GROUP", "flowtier", "READ"),
        ("GROUP", "flowtier-recommend", "READ"),
        ("GROUP", "flowtier-edges", "READ"),
        ("GROUP", "flowtier-rejects", "READ"),
        ("TRANSACTIONAL_ID", "flowtier.", "WRITE"),
    ],
    "shipper": [
        ("TOPIC", "flows", "WRITE"),
        ("TOPIC", "shipper-places", "READ WRITE"),
        ("TRANSACTIONAL_ID", "shipper.", "WRITE"),
    ],
    "reader": [("TOPIC", "workers", "READ"), ("TOPIC", "policies", "READ")],
    "replayer": [
        ("TOPIC", "flows", "READ WRITE"),
        ("TOPIC", "flows-rejected", "READ WRITE"),
        ("TRANSACTIONAL_ID", "replay", "WRITE"),
    ],
    "reviewer": [
        ("TOPIC", "policy-recommendations", "READ"),
        ("TOPIC", "recommendation-decisions", "READ WRITE"),
    ],
}


@dataclass(frozen=True, slots=True)
class Secured:
    """Both servers; `listeners` are Kafka's addresses by protocol, `folder` holds the certificates."""

    stack: Stack
    folder: Path
    listeners: Mapping[str, str]

    def options(self, user: str) -> dict[str, str]:
        """The settings by which a user comes in."""
        return {
            "FLOWTIER_KAFKA_BOOTSTRAP": self.listeners["SASL_SSL"],
            "FLOWTIER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "FLOWTIER_KAFKA_SASL_USERNAME": user,
            "FLOWTIER_KAFKA_SASL_PASSWORD": PASSWORDS[user],
            "FLOWTIER_KAFKA_CA": str(self.folder / "ca.pem"),
            "FLOWTIER_ELASTICSEARCH_CA": str(self.folder / "ca.pem"),
            "FLOWTIER_ELASTICSEARCH_USERNAME": "worker",
            "FLOWTIER_ELASTICSEARCH_PASSWORD": PASSWORDS["worker"],
            "FLOWTIER_LOGS_LEVEL": "debug",
        }

    def certified(self, user: str) -> dict[str, str]:
        """The same by a client certificate."""
        return self.options(user) | {
            "FLOWTIER_KAFKA_BOOTSTRAP": self.listeners["SSL"],
            "FLOWTIER_KAFKA_SECURITY_PROTOCOL": "SSL",
            "FLOWTIER_KAFKA_CERT": str(self.folder / f"{user}.crt"),
            "FLOWTIER_KAFKA_KEY": str(self.folder / f"{user}.key"),
        }

    def install(self, name: str, folder: Path) -> Installation:
        """Topics, and rights on them; it comes by the plain listener itself, where it may do everything."""
        installation = Installation(self.listeners["PLAINTEXT"], self.stack.elasticsearch, name, folder)
        installation.create_topics()
        self.allow(name)
        return installation

    def allow(self, name: str) -> None:
        """Give every user its rights in one installation."""
        bindings = [binding for user in RIGHTS for binding in rights(user, name)]
        admin = self.admin()
        for done in admin.create_acls(bindings).values():
            done.result(20)

    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.listeners["PLAINTEXT"]})

    def change_password(self, user: str, password: str) -> None:
        """In Elasticsearch; it takes that over within seconds."""
        node = self.stack.servers["elasticsearch"]
        program = Path(node.command[0]).with_name("elasticsearch-users")
        command = [str(program), "passwd", user, "-p", password]
        subprocess.run(command, env=node.environment, **account(), capture_output=True, check=True)

    def know(self, user: str, password: str | None) -> None:
        """Have Kafka know a user by this password, or not at all; it asks those who come from now on."""
        method, info = ScramMechanism.SCRAM_SHA_512, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4_096)
        change = (
            UserScramCredentialUpsertion(user, info, password.encode())
            if password
            else UserScramCredentialDeletion(user, method)
        )
        admin = self.admin()
        for done in admin.alter_user_scram_credentials([change]).values():
            done.result(20)

    def search(self) -> Elasticsearch:
        """A client that may do everything."""
        address, ca = self.stack.elasticsearch, str(self.folder / "ca.pem")
        return Elasticsearch(address, ca_certs=ca, basic_auth=("admin", PASSWORDS["admin"]))


def rights(user: str, name: str) -> Iterator[AclBinding]:
    """The rights of a user in one installation."""
    for kind, resource, operations in [("TOPIC", ".", "DESCRIBE"), *RIGHTS[user]]:
        whole = f"{name}.{resource}" if resource != "." else f"{name}."
        pattern = ResourcePatternType.PREFIXED if resource.endswith(".") else ResourcePatternType.LITERAL
        for operation in operations.split():
            yield AclBinding(
                ResourceType[kind],
                whole,
                pattern,
                f"User:{user}",
                "*",
                AclOperation[operation],
                AclPermissionType.ALLOW,
            )


@contextmanager
def secured(folder: Path) -> Iterator[Secured]:
    """Starts both, and stops them in the end."""
    authority, stranger = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    stranger.cert_pem.write_to_path(folder / "stranger.pem")
    for user in USERS.values():
        certificate = authority.issue_cert(f"{user}@example.org", common_name=user)
        certificate.private_key_pem.write_to_path(folder / f"{user}.key")
        certificate.cert_chain_pems[0].write_to_path(folder / f"{user}.crt")
    server = authority.issue_cert("127.0.0.1")  # and not for localhost
    security = Security(
        authority=authority.cert_pem.bytes().decode(),
        certificate="".join(each.bytes().decode() for each in server.cert_chain_pems),
        key=_pkcs8(server.private_key_pem.bytes()),
        passwords=PASSWORDS,
        roles=ROLES,
    )
    with servers.own_stack(security) as stack:
        yield Secured(stack, folder, addresses(stack.folder / "kafka"))


def _pkcs8(key: bytes) -> str:
    loaded = serialization.load_pem_private_key(key, None)
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return loaded.private_bytes(serialization.Encoding.PEM, form, plain).decode()


def start(options: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    """A command of `flowtier` as a child process, its output in pipes."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FLOWTIER_")}
    return subprocess.Popen(
        [*FLOWTIER, *arguments],
        cwd=ROOT,
        env=environment | dict(options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def sentences(output: str) -> list[str]:
    """The lines that are no log lines."""
    return [line for line in output.splitlines() if line.strip() and not _is_log(line)]


def _is_log(line: str) -> bool:
    try:
        return "event" in json.loads(line)
    except ValueError:
        return False


def secrets() -> Iterator[str]:
    """Passwords in every form that they travel in."""
    for user, password in PASSWORDS.items():
        yield password
        yield base64.b64encode(password.encode()).decode()
        yield base64.b64encode(f"{user}:{password}".encode()).decode()

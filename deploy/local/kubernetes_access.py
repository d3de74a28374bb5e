"""Who may come in at the local Kubernetes: its certificate, its users, and kubeconfigs for them."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trustme
import yaml

ADMIN, DEVELOPER = "admin", "dev"
# User ▸ groups. What the developers may do is for RBAC to say: nothing, in the beginning.
USERS = {ADMIN: "system:masters", DEVELOPER: "dev"}


@dataclass(frozen=True, slots=True)
class Access:
    """Files that the server reads, and the kubeconfig, all in `folder`: made once, kept with the data."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    @property
    def certificate(self) -> Path:
        return self.folder / "server.pem"

    @property
    def key(self) -> Path:
        """Of the certificate, and what tokens of service accounts are signed with."""
        return self.folder / "server.key"

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens.csv"

    @property
    def kubeconfig(self) -> Path:
        """A context for each user, the admin's current."""
        return self.folder / "kubeconfig"

    def make(self) -> None:
        """Writes what is not there yet but for the kubeconfig."""
        if self.folder.exists():
            return
        self.folder.mkdir(mode=0o700)
        authority = trustme.CA()
        server = authority.issue_cert("127.0.0.1", "localhost")
        authority.cert_pem.write_to_path(str(self.authority))
        server.cert_chain_pems[0].write_to_path(str(self.certificate))
        server.private_key_pem.write_to_path(str(self.key))
        lines = (f'{secrets.token_hex(16)},{user},{user},"{groups}"\n' for user, groups in USERS.items())
        self.tokens.write_text("".join(lines))

    def write_kubeconfig(self, server: str) -> None:
        """Writes the kubeconfig for a server at this URL."""
        tokens = {user: token for token, user, *_ in self._lines()}
        _write(self.kubeconfig, kubeconfig(server, self.authority, {u: {"token": tokens[u]} for u in USERS}))

    def _lines(self) -> list[list[str]]:
        return [line.split(",") for line in self.tokens.read_text().splitlines()]


def kubeconfig(server: str, authority: Path, users: Mapping[str, Mapping[str, object]]) -> str:
    """A kubeconfig with a context for each user by what the user shows; the first one is current."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "local", "cluster": {"server": server, "certificate-authority": str(authority)}}
            ],
            "users": [{"name": user, "user": dict(shown)} for user, shown in users.items()],
            "contexts": [{"name": user, "context": {"cluster": "local", "user": user}} for user in users],
            "current-context": next(iter(users)),
        }
    )


def _write(file: Path, text: str) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(text)

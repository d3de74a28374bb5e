"""What makes a local server a secured one: its certificate, whom it trusts, who may come in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.place import give


@dataclass(frozen=True, slots=True)
class Security:
    """PEM texts, `key` in PKCS #8, which is all that Kafka reads; passwords by user.

    Elasticsearch knows those users who have a role of their own name in `roles`, as in its roles.yml.
    """

    authority: str
    certificate: str
    key: str
    passwords: Mapping[str, str]
    roles: Mapping[str, object] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Writes what servers read into a folder: ca.pem, cert.pem, key.pem, and both as server.pem."""
        give(folder)
        (folder / "ca.pem").write_text(self.authority)
        (folder / "cert.pem").write_text(self.certificate)
        (folder / "key.pem").write_text(self.key)
        (folder / "server.pem").write_text(self.key + self.certificate)
        return folder

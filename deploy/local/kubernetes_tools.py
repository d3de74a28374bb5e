"""Go, etcd and kubectl as this machine has them."""

import shutil
from collections.abc import Mapping

from deploy.local.errors import StackError

INSTALL: Mapping[str, str] = {
    "go": "1.26 or newer, which builds the API server (https://go.dev)",
    "etcd": "on Debian: apt-get install etcd-server; elsewhere https://etcd.io",
    "kubectl": "on Debian: apt-get install kubernetes-client; elsewhere https://kubernetes.io",
}
TO_RUN = ("etcd", "kubectl")


def require(*names: str) -> None:
    """Raises StackError, in one sentence, for what of it there is not."""
    missing = [name for name in names if not shutil.which(name)]
    if missing:
        wanted = "; ".join(f"{name} ({INSTALL[name]})" for name in missing)
        raise StackError(f"For a Kubernetes API install what is missing on this machine: {wanted}.")

"""Where a Kubernetes API is, and who we are there."""

import os
from dataclasses import dataclass
from pathlib import Path

_DEFAULT = Path("~/.kube/config")
_POD = "KUBERNETES_SERVICE_HOST"  # set in every pod


@dataclass(frozen=True, slots=True)
class Access:
    """A kubeconfig and a context of it, kubectl's own where None; the pod's service account where there is
    no kubeconfig at all."""

    kubeconfig: Path | None = None
    context: str | None = None

    @property
    def in_cluster(self) -> bool:
        """Whether it is the pod's service account."""
        named = self.kubeconfig or self.context or os.environ.get("KUBECONFIG")
        return not named and not _DEFAULT.expanduser().exists() and _POD in os.environ

    @property
    def file(self) -> str:
        """The kubeconfig, or several as kubectl takes them from the environment."""
        return str(self.kubeconfig or os.environ.get("KUBECONFIG") or _DEFAULT.expanduser())

    def exists(self) -> bool:
        """Whether there is one of those files at all."""
        return any(Path(file).exists() for file in self.file.split(os.pathsep))

    def __str__(self) -> str:
        if self.in_cluster:
            return "the pod's service account"
        file = self.file
        return f"kubeconfig {file}, context {self.context}" if self.context else f"kubeconfig {file}"

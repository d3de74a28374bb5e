"""A real Kubernetes API on this machine: etcd, kube-apiserver and Calico's resources, no node."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Self

from deploy.local.child import POLL_SECONDS, Child
from deploy.local.errors import StackError
from deploy.local.kubernetes_access import Access
from deploy.local.kubernetes_build import build
from deploy.local.place import local
from deploy.local.ports import free_port
from deploy.local.progress import step

CALICO = Path(__file__).with_name("calico-v3-crds.yaml")
ETCD, API = "etcd", "api"
_ADMISSION_SECONDS = 60
_DEFINITION = "\nkind: CustomResourceDefinition\n"
_ANY = """
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: any, namespace: default}
spec: {ingress: [{action: Allow}]}
"""
_ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath)}


class Kubernetes:
    """Both servers, with data, logs and access in one folder; several can run at once, each in its own.

    As a context it starts afresh, and is removed in the end:

        with Kubernetes("try") as cluster:
            cluster.kubectl("apply", "-f", "policy.yaml")
    """

    def __init__(self, name: str, *, port: int | None = None, admission: bool = True) -> None:
        """`name` is the folder under `.local/`; `port` of the API is taken where it is free.

        Without `admission` Calico's own admission policies are left out: the API server looks for their kinds
        every 30 seconds only, and takes no policy until it has found them.
        """
        self.folder = local() / name
        self._admission = admission
        self._port = port
        found = {part: Child.find(self.folder / part) for part in (ETCD, API)}
        self.servers = {part: server for part, server in found.items() if server}

    @property
    def kubeconfig(self) -> Path:
        """For kubectl: the admin's context is current, `dev` is one who may do nothing yet."""
        return self._access.kubeconfig

    @property
    def authority(self) -> Path:
        """The certificate that the API's is signed by, in PEM."""
        return self._access.authority

    @property
    def url(self) -> str:
        """Of the API."""
        return self.servers[API].address

    def is_running(self) -> bool:
        """Whether both were started, by this process or another one, and live."""
        return len(self.servers) == 2 and all(server.is_alive() for server in self.servers.values())

    def start(self) -> None:
        """Starts both on the data that is there, and waits until Calico's resources are served.

        Builds the API server where that was never done; raises StackError.
        """
        program = build()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._access.make()
        try:
            self._run(ETCD, _etcd(self._part(ETCD)))
            api = _api(self._part(API), program, self._access, self.servers[ETCD].address, self._port)
            self._access.write_kubeconfig(api.address)
            self._run(API, api)
            self._serve_calico()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stops what runs; nothing where nothing does."""
        for part in (API, ETCD):
            if part in self.servers:
                with step(f"Stopping {self.servers[part].name}"):
                    self.servers.pop(part).stop()

    def remove(self) -> None:
        """Stops what runs, and forgets data and logs."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """What kubectl says, with `given` on its standard input; raises StackError where it fails."""
        done = subprocess.run(
            ["kubectl", f"--kubeconfig={self.kubeconfig}", *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StackError(f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout}")
        return done.stdout

    def __enter__(self) -> Self:
        self.remove()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    @property
    def _access(self) -> Access:
        return Access(self.folder / "access")

    def _part(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def _run(self, name: str, server: Child) -> None:
        self.servers[name] = server
        server.start()

    def _serve_calico(self) -> None:
        with step("Giving it Calico's resources"):
            self.kubectl("apply", "--server-side", "-f", "-", given=_calico(admission=self._admission))
            # A kind that is not established yet would be refused.
            self.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
            self._wait_until_taken()

    def _wait_until_taken(self) -> None:
        deadline = time.monotonic() + _ADMISSION_SECONDS
        while True:
            try:
                self.kubectl("create", "--dry-run=server", "-f", "-", given=_ANY)
            except StackError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_SECONDS)
            else:
                return


def _calico(*, admission: bool) -> str:
    """Calico's resources, all of them or only the definitions of its kinds."""
    if admission:
        return CALICO.read_text()
    definitions = (text for text in CALICO.read_text().split("\n---\n") if _DEFINITION in text)
    return "\n---\n".join(definitions)


def _etcd(folder: Path) -> Child:
    url, peers = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
    command = [
        "etcd",
        f"--data-dir={folder / 'data'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
    ]
    return Child("etcd", url, command, _ENVIRONMENT, folder, user={})


def _api(folder: Path, program: Path, access: Access, etcd: str, port: int | None) -> Child:
    port = free_port(port)
    command = [
        str(program),
        f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        f"--tls-cert-file={access.certificate}",
        f"--tls-private-key-file={access.key}",
        "--authorization-mode=RBAC",
        f"--token-auth-file={access.tokens}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={access.key}",
        f"--service-account-signing-key-file={access.key}",
        "--service-cluster-ip-range=10.0.0.0/24",
        # It would wait for accounts that a controller makes, and there is none.
        "--disable-admission-plugins=ServiceAccount",
    ]
    return Child("Kubernetes", f"https://127.0.0.1:{port}", command, _ENVIRONMENT, folder, user={})

"""Writes to a Kubernetes API over one connection, as fast as it takes it."""

import http.client
import json
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import yaml

from agents.kubernetes_kinds import Served
from deploy.local.kubernetes import Kubernetes
from pipeline.policy.resources import find

type Manifest = dict[str, Any]


def path(manifest: Manifest) -> str:
    """Of the kind's objects in the namespace of this one."""
    kind = find(manifest["apiVersion"], manifest["kind"])
    assert kind
    everywhere = Served(kind, manifest["apiVersion"]).path
    root, _, resource = everywhere.rpartition("/")
    namespace = manifest["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{resource}" if namespace else everywhere


@dataclass
class Client:
    """`written` are the objects that are there by our hand, by their paths."""

    cluster: Kubernetes
    written: dict[str, Manifest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        users = yaml.safe_load(self.cluster.kubeconfig.read_text())["users"]
        self._token = users[0]["user"]["token"]
        at, context = urlsplit(self.cluster.url), ssl.create_default_context(cafile=self.cluster.authority)
        self._connection = http.client.HTTPSConnection(at.netloc, context=context, timeout=30)

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: Manifest | None = None) -> Manifest:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        self._connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = self._connection.getresponse()
        told = json.loads(answer.read())
        assert answer.status < 300, told
        return told

    def put(self, manifest: Manifest, status: Manifest | None = None) -> Manifest:
        """Creates the object, or replaces what is there."""
        place = f"{path(manifest)}/{manifest['metadata']['name']}"
        if place in self.written:
            version = {"resourceVersion": self.written[place]["metadata"]["resourceVersion"]}
            manifest = manifest | {"metadata": manifest["metadata"] | version}
            made = self.ask("PUT", place, manifest)
        else:
            made = self.ask("POST", path(manifest), manifest)
        if status is not None:
            made = self.ask("PUT", f"{place}/status", made | {"status": status})
        self.written[place] = made
        return made

    def delete(self, manifest: Manifest) -> None:
        """Removes an object at once."""
        place = f"{path(manifest)}/{manifest['metadata']['name']}"
        self.ask("DELETE", place, {"gracePeriodSeconds": 0})
        del self.written[place]

    def remove_all(self) -> None:
        """All but namespaces, which need a controller to go."""
        for place in list(self.written):
            if "/api/v1/namespaces/" not in place or place.count("/") > 4:
                self.ask("DELETE", place, {"gracePeriodSeconds": 0})
        self.written.clear()

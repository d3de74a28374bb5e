"""The same request to Flowtier, to `kubectl auth can-i`, and to the API as a SubjectAccessReview; manifests
that the API is to take or refuse."""

import subprocess
from dataclasses import astuple
from typing import Any, NamedTuple

from deploy.local.kubernetes import Kubernetes
from pipeline.policy.rbac import Rbac, Request, Who
from tests.kubernetes.client import Client

PSEUDO = "tier."


class Asked(NamedTuple):
    """Who asks for what."""

    user: str
    groups: tuple[str, ...]
    request: Request

    @classmethod
    def of(cls, question: dict[str, Any]) -> "Asked":
        """A question of requests.yaml."""
        pseudo = PSEUDO if question["resource"].startswith(PSEUDO) else ""
        resource, _, group = question["resource"].removeprefix(pseudo).partition(".")
        name, namespace = question.get("name", ""), question.get("namespace", "")
        request = Request(question["verb"], group, pseudo + resource, name, namespace)
        return cls(question["as"], tuple(question.get("groups", ())), request)

    @property
    def who(self) -> Who:
        return Who.of(self.user, self.groups)


def allowed_by_flowtier(rbac: Rbac, asked: Asked) -> bool:
    return rbac.rights_of(asked.who).grant(asked.request) is not None


def allowed_by_kubectl(cluster: Kubernetes, asked: Asked) -> bool:
    """By impersonation; for resources that the API serves."""
    verb, group, resource, name, namespace = astuple(asked.request)
    command = ["kubectl", f"--kubeconfig={cluster.kubeconfig}", "auth", "can-i", verb]
    command += [f"{resource}.{group}/{name}" if name else f"{resource}.{group}"]
    command += ["--namespace", namespace] if namespace else ["--all-namespaces"]
    command += [f"--as={asked.user}", *(f"--as-group={group}" for group in asked.groups)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    word = done.stdout.split()[:1]  # behind a no there may be a reason
    assert (word, done.returncode) in ((["yes"], 0), (["no"], 1)), done.stderr
    return done.returncode == 0


def allowed_by_review(client: Client, asked: Asked) -> bool:
    """With the groups that Kubernetes adds to who is authenticated."""
    resource, _, subresource = asked.request.resource.partition("/")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": asked.user,
            "groups": sorted(asked.who.groups),
            "resourceAttributes": {
                "verb": asked.request.verb,
                "group": asked.request.group,
                "resource": resource,
                "subresource": subresource,
                "name": asked.request.name,
                "namespace": asked.request.namespace,
            },
        },
    }
    answer = client.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


def is_refused(cluster: Kubernetes, text: str) -> bool:
    """Whether the API refuses to create what is in the text; it does not create it."""
    command = ["kubectl", f"--kubeconfig={cluster.kubeconfig}", "create", "-f", "-"]
    command += ["--dry-run=server", "--validate=strict"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 1

"""What a real Kubernetes API says of roles and bindings is what Flowtier says of them."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.policy.load import load_texts
from pipeline.policy.rbac import Rbac, Request
from tests.kubernetes.client import Client, Manifest
from tests.kubernetes.rbac_requests import (
    PSEUDO,
    Asked,
    allowed_by_flowtier,
    allowed_by_kubectl,
    allowed_by_review,
    is_refused,
)
from tests.pipeline.policy.rbac_texts import REFUSED, TAKEN
from tests.waiting import until

MATRIX = Path(__file__).parents[1] / "cases" / "rbac" / "kubectl"
QUESTIONS = yaml.safe_load((MATRIX / "requests.yaml").read_text())
NAMESPACES = ("default", "kube-public")
ROLES, BINDINGS, REQUESTS = 30, 40, 1500


@pytest.fixture
def api(shared) -> Iterator[Client]:
    made = Client(shared)
    yield made
    made.close()


@pytest.fixture
def applied(shared) -> Iterator[Callable[[str], None]]:
    """Applies manifests; they are gone after the test."""
    texts: list[str] = []

    def apply(text: str) -> None:
        texts.append(text)
        shared.kubectl("apply", "-f", "-", given=text)

    yield apply
    for text in texts:
        shared.kubectl("delete", "-f", "-", "--wait=false", given=text)


def test_kubectl_gives_the_answers_on_file(shared, api, applied) -> None:
    """Bindings are known to the API a moment after they are written."""
    applied((MATRIX / "manifests.yaml").read_text())
    expected = {Asked.of(question): question["allowed"] for question in QUESTIONS}
    assert len(expected) == len(QUESTIONS)
    until(lambda: all(allowed_by_review(api, asked) for asked, allowed in expected.items() if allowed))
    assert {asked: allowed_by_review(api, asked) for asked in expected} == expected
    served = {
        asked: allowed for asked, allowed in expected.items() if not asked.request.resource.startswith(PSEUDO)
    }
    assert {asked: allowed_by_kubectl(shared, asked) for asked in served} == served


def test_reviews_of_many_requests_give_the_answers_of_flowtier(api, applied) -> None:
    dealer = Dealer(random.Random(11))
    text = yaml.safe_dump_all(dealer.manifests())
    rbac = Rbac.of(load_texts([("drawn", text.encode())]))
    applied(text)
    expected = {asked: allowed_by_flowtier(rbac, asked) for asked in dealer.requests()}
    # Neither answer is the rule: whoever always says the same would be found out.
    assert 0.2 < sum(expected.values()) / len(expected) < 0.8
    until(lambda: all(allowed_by_review(api, asked) for asked, allowed in expected.items() if allowed))
    assert {asked: allowed_by_review(api, asked) for asked in expected} == expected


@pytest.mark.parametrize("text", [text for text, _ in REFUSED])
def test_manifests_that_flowtier_refuses_the_api_refuses(shared, text) -> None:
    assert is_refused(shared, text)


@pytest.mark.parametrize("text", TAKEN)
def test_manifests_that_flowtier_takes_the_api_takes(shared, text) -> None:
    assert not is_refused(shared, text)


class Dealer:
    """Roles, bindings and requests at random, of few names, so that they meet."""

    def __init__(self, source: random.Random) -> None:
        self._random = source

    def manifests(self) -> Iterator[Manifest]:
        for number in range(ROLES):
            yield self._object("Role" if number % 2 else "ClusterRole", number) | {"rules": self._rules()}
        for number in range(BINDINGS):
            manifest = self._object("RoleBinding" if number % 4 else "ClusterRoleBinding", number)
            kind = self._random.choice(("Role", "ClusterRole")) if number % 4 else "ClusterRole"
            role = f"drawn-{self._random.randrange(ROLES)}"
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
            yield manifest | {"roleRef": reference, "subjects": [self._subject()]}

    def requests(self) -> Iterator[Asked]:
        resources = ("tiers", "networkpolicies", "tier.networkpolicies", "tiers/status", "globalnetworksets")
        for _ in range(REQUESTS):
            account = f"system:serviceaccount:{self._random.choice(NAMESPACES)}:drawn-account"
            user = self._random.choice((*(f"drawn-user-{n}" for n in range(3)), account))
            groups = tuple(f"drawn-group-{n}" for n in range(3) if self._random.random() < 0.3)
            request = Request(
                verb=self._random.choice(("get", "list", "create", "update", "deletecollection")),
                group=self._random.choice(("projectcalico.org", "networking.k8s.io", "")),
                resource=self._random.choice(resources),
                name=self._random.choice(("", "a", "b", "apps.*")),
                namespace=self._random.choice(("", *NAMESPACES)),
            )
            yield Asked(user, groups, request)

    def _object(self, kind: str, number: int) -> Manifest:
        metadata = {"name": f"drawn-{number}"}
        if not kind.startswith("Cluster"):
            metadata["namespace"] = self._random.choice(NAMESPACES)
        return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata}

    def _rules(self) -> list[Manifest]:
        return [
            {
                "verbs": self._some("get", "list", "create", "update", "*"),
                "apiGroups": self._some("projectcalico.org", "networking.k8s.io", "", "*"),
                "resources": self._some(
                    "tiers", "networkpolicies", "tier.networkpolicies", "tiers/status", "*/status", "*"
                ),
                "resourceNames": self._some("a", "b", "apps.*", "*") if self._random.random() < 0.4 else [],
            }
            for _ in range(self._random.randint(1, 3))
        ]

    def _subject(self) -> Manifest:
        number = self._random.randrange(3)
        kind = self._random.choice(("User", "Group", "ServiceAccount"))
        if kind == "ServiceAccount":
            namespace = self._random.choice(NAMESPACES)
            return {"kind": kind, "name": "drawn-account", "namespace": namespace}
        return {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": kind,
            "name": f"drawn-{kind.lower()}-{number}",
        }

    def _some(self, *items: str) -> list[str]:
        return self._random.sample(items, self._random.randint(1, 2))

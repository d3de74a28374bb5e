"""Who publishes from a Kubernetes API: by which rights and credentials, and whose the policies are."""

import os
import ssl
import stat
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from agents import publish_kubernetes
from agents.follow_kubernetes_facts import FACT_KINDS
from agents.follow_kubernetes_policies import POLICY_KINDS
from agents.kubernetes_access import Access
from agents.kubernetes_errors import KubernetesError
from agents.kubernetes_kinds import plural
from agents.publish_commands import publish
from deploy.local.kubernetes import Kubernetes
from deploy.local.kubernetes_access import kubeconfig
from pipeline.policy.resources import served
from tests.agents.installation import ALLOW_ALL, ROOT
from tests.kubernetes.objects import calico, namespace
from tests.kubernetes.publisher import Publisher
from tests.waiting import until

MANIFEST = ROOT / "deploy" / "kubernetes" / "publisher.yaml"
NAME, NAMESPACE = "flowtier-publisher", "flowtier"


@pytest.fixture
def deployed(cluster) -> Kubernetes:
    """An API that has taken the manifest of the publisher as it is."""
    cluster.kubectl("apply", "-f", str(MANIFEST))
    return cluster


def token(cluster: Kubernetes, account: str = NAME) -> str:
    return cluster.kubectl("create", "token", account, "-n", NAMESPACE).strip()


def expire(cluster: Kubernetes, tokens: Path) -> None:
    """Removes the account and waits until its token is refused: the API remembers for some seconds whom it
    knew."""
    cluster.kubectl("delete", "serviceaccount", NAME, "-n", NAMESPACE)
    context = ssl.create_default_context(cafile=cluster.authority)
    headers = {"Authorization": f"Bearer {tokens.read_text()}"}

    def refused() -> bool:
        try:
            urllib.request.urlopen(
                urllib.request.Request(f"{cluster.url}/version", headers=headers), context=context
            )
        except urllib.error.HTTPError as error:
            return error.code == 401
        return False

    until(refused)


def access(cluster: Kubernetes, folder: Path, **shown: object) -> Path:
    """A kubeconfig of one who shows this."""
    file = folder / "kubeconfig"
    file.write_text(kubeconfig(cluster.url, cluster.authority, {"who": shown}))
    return file


def test_the_manifest_asks_for_exactly_what_is_read() -> None:
    (role,) = (each for each in yaml.safe_load_all(MANIFEST.read_text()) if each["kind"] == "ClusterRole")
    granted = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    kinds = (*POLICY_KINDS, *FACT_KINDS)
    groups = [(version.rpartition("/")[0], plural(kind)) for kind in kinds for version in served(kind)]
    assert granted == {(*place, verb) for place in groups for verb in ("list", "watch")}


def test_the_rights_of_the_manifest_are_enough(deployed, client, installation, tmp_path) -> None:
    client.put(calico("GlobalNetworkPolicy", "seen", 1))
    with Publisher(installation, access(deployed, tmp_path, token=token(deployed))) as publisher:
        until(lambda: "GlobalNetworkPolicy//seen" in publisher.newest())
        client.put(calico("GlobalNetworkPolicy", "more", 1))
        until(lambda: "GlobalNetworkPolicy//more" in publisher.newest())
        assert publisher.stop() == 0


def test_rights_that_are_missing_are_named_in_one_sentence(deployed, installation, tmp_path) -> None:
    deployed.kubectl("create", "serviceaccount", "nobody", "-n", NAMESPACE)
    file = access(deployed, tmp_path, token=token(deployed, "nobody"))
    done = installation.run("publish", "--from-kubernetes", "--kubeconfig", str(file))
    assert done.returncode == 2
    (said,) = (line for line in done.stderr.splitlines() if line.startswith("flowtier: "))
    assert "system:serviceaccount:flowtier:nobody lacks the RBAC rules" in said
    core = "{apiGroups: [''], resources: [namespaces, pods, serviceaccounts], verbs: [list, watch]}"
    assert core in said
    assert "stagednetworkpolicies, tiers], verbs: [list, watch]}" in said
    assert "Traceback" not in done.stderr


def test_a_token_that_expired_is_read_again_from_its_file(deployed, client, installation, tmp_path) -> None:
    file = tmp_path / "token"
    file.write_text(token(deployed))
    with Publisher(installation, access(deployed, tmp_path, tokenFile=str(file))) as publisher:
        expire(deployed, file)
        client.put(calico("GlobalNetworkPolicy", "meanwhile", 1))
        (said, *_) = until(lambda: publisher.said("nothing is published: tried again"))
        assert "answers 401" in said["reason"]
        deployed.kubectl("create", "serviceaccount", NAME, "-n", NAMESPACE)
        file.write_text(token(deployed))
        until(lambda: "GlobalNetworkPolicy//meanwhile" in publisher.newest())


def test_a_plugin_is_asked_again_where_its_token_expired(deployed, client, installation, tmp_path) -> None:
    file, plugin = tmp_path / "token", tmp_path / "plugin"
    file.write_text(token(deployed))
    version = "client.authentication.k8s.io/v1"
    said = f'{{"apiVersion": "{version}", "kind": "ExecCredential", "status": {{"token": "%s"}}}}'
    plugin.write_text(f"#!/bin/sh\nprintf '{said}' \"$(cat {file})\"\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    shown = {"exec": {"apiVersion": version, "command": str(plugin), "interactiveMode": "Never"}}
    with Publisher(installation, access(deployed, tmp_path, **shown)) as publisher:
        expire(deployed, file)
        deployed.kubectl("create", "serviceaccount", NAME, "-n", NAMESPACE)
        file.write_text(token(deployed))
        client.put(calico("GlobalNetworkPolicy", "meanwhile", 1))
        until(lambda: "GlobalNetworkPolicy//meanwhile" in publisher.newest())
        assert publisher.said("they are loaded again")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no .* name one by --kubeconfig or KUBECONFIG"),
        ("{", "cannot be used"),
        (kubeconfig("https://127.0.0.1:1", Path(os.devnull), {"who": {"token": "x"}}), "cannot be used"),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_is_one_sentence(tmp_path, text, said) -> None:
    file = tmp_path / "kubeconfig"
    if text:
        file.write_text(text)
    with pytest.raises(KubernetesError, match=f"^[^\n]*{said}[^\n]*$"):
        publish_kubernetes.read(Access(file), None, None)


def test_policies_of_another_source_are_taken_over_only_when_told(cluster, client, installation) -> None:
    installation.publish(ALLOW_ALL, source="git")
    client.put(calico("GlobalNetworkPolicy", "ours", 1))
    once = ("publish", "--from-kubernetes", "--once", "--kubeconfig", str(cluster.kubeconfig))
    refused = installation.run(*once)
    assert refused.returncode == 2
    assert "the policies are published from 'git', not from 'kubernetes:" in refused.stderr
    shown = installation.run(*once, "--takeover", "--dry-run")
    assert "GlobalNetworkPolicy//ours" in shown.stdout
    assert installation.run(*once, "--takeover").returncode == 0


def test_a_publisher_whose_policies_are_taken_over_ends(cluster, client, installation) -> None:
    with Publisher(installation, cluster.kubeconfig) as publisher:
        installation.publish(ALLOW_ALL, source="git", takeover=True)
        client.put(calico("GlobalNetworkPolicy", "late", 1))
        assert publisher.process
        assert publisher.process.wait(30) == 2
    assert "the policies are published from 'git'" in publisher.log.read_text()
    assert "GlobalNetworkPolicy//all" in publisher.newest()


def test_facts_are_published_whoever_owns_the_policies(cluster, client, installation) -> None:
    installation.publish(ALLOW_ALL, source="git")
    client.put(namespace("owned", team="b"))
    with Publisher(installation, cluster.kubeconfig, ("--facts-only",)) as publisher:
        assert publisher.facts()["Namespace//owned"]["fact"]["labels"]["team"] == "b"
        client.put(calico("GlobalNetworkPolicy", "theirs", 1))
        client.put(namespace("more"))
        until(lambda: "Namespace//more" in publisher.facts())
        installation.publish(ALLOW_ALL, source="git")
        assert list(publisher.newest()) == ["GlobalNetworkPolicy//all"]


def test_a_second_publisher_shuts_the_first_one_out(cluster, client, installation) -> None:
    with Publisher(installation, cluster.kubeconfig, ("--facts-only",)) as first:
        done = installation.run(
            *(
                "publish",
                "--from-kubernetes",
                "--facts-only",
                "--once",
                "--kubeconfig",
                str(cluster.kubeconfig),
            )
        )
        assert done.returncode == 0
        client.put(namespace("told-by-one"))
        assert first.process
        assert first.process.wait(30) == 2
    assert "another publisher writes the facts of this cluster now" in first.log.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("policies", "--from-kubernetes"),
        ("policies", "--once"),
        ("--from-kubernetes", "--json"),
        ("--from-kubernetes", "--dry-run", "--facts-only"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments) -> None:
    done = CliRunner().invoke(publish, arguments)
    assert done.exit_code == 2
    assert "--from-kubernetes" in done.output or "--json" in done.output

"""TLS and authentication on the real servers: who is let in does everything, who is not is told why."""

import time
from http import HTTPStatus

import pytest
from elasticsearch import ApiError, Elasticsearch

from agents.cli import COMMANDS
from tests.agents.indexed_edges import OFTEN as ROLLED_UP_OFTEN
from tests.agents.installation import ALLOW_ALL, Installation, flow, lines
from tests.agents.observing import OFTEN
from tests.agents.test_recommend_policies import ELSEWHERE
from tests.faults.refused import ELASTICSEARCH, KAFKA
from tests.faults.secured import PASSWORDS, USERS, Secured, secrets, secured, sentences, start
from tests.waiting import until

QUICKLY = 30  # seconds until six commands have started, at once on a busy machine, and ended


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    with secured(tmp_path_factory.mktemp("certificates")) as running:
        yield running


@pytest.fixture
def installation(servers, unique, tmp_path):
    made = servers.install(unique, tmp_path)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "all.yaml").write_text(ALLOW_ALL)
    flows = lines([flow(number) for number in range(100)])
    (tmp_path / "flows.log").write_bytes(flows + b"\nthis is no flow\n")
    yield made
    made.close()


ARGUMENTS = {
    "publish": ("publish", "{folder}/policies"),
    "worker": ("worker",),
    "ship": ("ship", "{folder}/flows.log"),
    "status": ("status",),
    "rejects": ("rejects", "replay"),
    "recommendations": ("recommendations", "list"),
}


def arguments(command: str, installation: Installation) -> list[str]:
    return [each.format(folder=installation.folder) for each in ARGUMENTS[command]]


def run(command: str, installation: Installation, options: dict[str, str]) -> tuple[int, str]:
    """Exit code and output of a command."""
    process = start(installation.environment | options, *arguments(command, installation))
    output = "".join(process.communicate(timeout=60))
    return process.returncode, searched(output)


def searched(output: str) -> str:
    """The output, in which no secret is found."""
    assert not [secret for secret in secrets() if secret in output]
    return output


SHA_256 = {"FLOWTIER_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256"}
MEANS = {
    "SCRAM-SHA-512": Secured.options,
    "SCRAM-SHA-256": lambda servers, user: servers.options(user) | SHA_256,
    "client certificate": Secured.certified,
}


@pytest.mark.parametrize("means", MEANS)
def test_who_is_let_in_does_its_work_with_the_documented_rights_alone(servers, installation, means) -> None:
    options = {command: MEANS[means](servers, user) for command, user in USERS.items()}
    code, output = run("publish", installation, options["publish"])
    assert code == 0, output
    installation.options = options["worker"]
    worker = installation.start_worker()
    installation.options = {}  # whoever looks on may do everything
    until(worker.ready, 60)
    code, output = run("ship", installation, options["ship"])
    assert code == 0, output
    until(lambda: documents(servers, installation) == 100, 60)
    until(lambda: worker.health()["lag"] == 0)
    code, output = run("status", installation, options["status"])
    assert (code, "ready" in output) == (0, True), output
    code, output = run("rejects", installation, options["rejects"])
    assert (code, "1 rejects were sent" in output) == (0, True), output
    until(lambda: rejected(installation) == 2, 60)  # again
    assert worker.health()["problems"] == {}
    assert worker.stop() == 0
    searched(worker.log.read_text())


def rejected(installation: Installation) -> int:
    """Records of what no flow is, without those that tell of replays."""
    found = installation.records(installation.topics.rejects.name)
    return sum(b"this is no flow" in (record.value() or b"") for record in found)


def documents(servers: Secured, installation: Installation, indices: str = "flowtier_flows.{}.*") -> int:
    with servers.search() as client:
        index = indices.format(installation.name)
        try:
            client.indices.refresh(index=index)
            return client.count(index=index)["count"]
        except ApiError as error:
            # The index is not made yet, or just being made.
            if error.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE):
                return 0
            raise


def changed(servers: Secured, section: str, changes: dict[str, str]) -> dict[str, str]:
    ports = {name: address.rpartition(":")[2] for name, address in servers.listeners.items()}
    ports["ELASTICSEARCH"] = servers.stack.elasticsearch.rpartition(":")[2]
    return {
        f"FLOWTIER_{section}_{name}": value.format(folder=servers.folder, **ports, **PASSWORDS)
        for name, value in changes.items()
    }


def test_the_commands_here_are_those_that_there_are() -> None:
    without_kafka = {"judge", "recommend", "settings", "dashboards", "watch", "enforce"}
    # These read what is in force, where that is asked of them, as `status` does.
    of_policies = {"check", "whatif", "diff", "explain", "can-i"}
    assert COMMANDS.keys() - without_kafka - of_policies == set(ARGUMENTS)


@pytest.mark.parametrize("case", KAFKA)
def test_each_command_tells_in_one_sentence_why_kafka_refuses_it(servers, installation, case) -> None:
    changes, says, setting = KAFKA[case]
    began = time.monotonic()
    wrong = changed(servers, "KAFKA", changes)
    processes = {}
    for command, user in USERS.items():
        options = installation.environment | servers.options(user) | wrong
        processes[command] = start(options, *arguments(command, installation))
    for command, process in processes.items():
        output = searched("".join(process.communicate(timeout=60)))
        (sentence,) = sentences(output)
        assert process.returncode == 2, command
        assert (says in sentence, setting in sentence) == (True, True), sentence
        address = (servers.options(USERS[command]) | wrong)["FLOWTIER_KAFKA_BOOTSTRAP"]
        assert f"Kafka at {address}" in sentence or "No such file" in says
        assert "Traceback" not in output
    assert time.monotonic() - began < QUICKLY


@pytest.mark.parametrize("case", ELASTICSEARCH)
def test_the_worker_tells_in_one_sentence_why_elasticsearch_refuses_it(servers, installation, case) -> None:
    changes, says, setting = ELASTICSEARCH[case]
    began = time.monotonic()
    options = servers.options("worker") | changed(servers, "ELASTICSEARCH", changes)
    code, output = run("worker", installation, options)
    (sentence,) = sentences(output)
    assert code == 2
    assert (says in sentence, setting in sentence) == (True, True), sentence
    address = options.get("FLOWTIER_ELASTICSEARCH_URLS", servers.stack.elasticsearch)
    assert f"Elasticsearch at {address}" in sentence or "No such file" in says
    assert "Traceback" not in output
    assert time.monotonic() - began < QUICKLY


def test_a_running_worker_says_in_health_that_it_is_refused_and_goes_on_once_it_is_not(
    servers, installation
) -> None:
    installation.publish(ALLOW_ALL)
    installation.options = servers.options("worker")
    worker = installation.start_worker()
    until(worker.ready, 60)
    installation.options = {}
    servers.change_password("worker", "another-one")
    until(lambda: refused(servers), 30)
    installation.produce([lines([flow(number)]) for number in range(100)])
    until(lambda: "401" in worker.health()["problems"].get("elasticsearch", ""), 60)
    servers.change_password("worker", PASSWORDS["worker"])
    until(lambda: documents(servers, installation) == 100, 60)
    until(lambda: worker.health()["problems"] == {}, 60)

    servers.know("worker", None)
    servers.stack.servers["kafka"].stop()
    servers.stack.servers["kafka"].start()
    until(lambda: "refuses user worker" in worker.health()["problems"].get("kafka", ""), 60)
    servers.know("worker", PASSWORDS["worker"])
    installation.produce([lines([flow(number)]) for number in range(100, 200)])
    until(lambda: documents(servers, installation) == 200, 90)
    until(lambda: worker.health()["problems"] == {}, 60)
    searched(worker.log.read_text())


def test_a_worker_with_no_more_rights_than_it_needs_learns_and_gives_out_what_it_proposes(
    servers, installation
) -> None:
    installation.publish(ELSEWHERE)
    installation.options = servers.options("worker") | OFTEN | ROLLED_UP_OFTEN
    worker = installation.start_worker()
    until(worker.ready, 60)
    installation.options = {}
    installation.produce([lines([flow(number) for number in range(100)])])
    until(lambda: worker.metric("flowtier_recommendations_published_total", kind="proposed") > 0, 60)
    for index in ("recommendations.{}", "edges.{}.day.*", "policies.{}"):
        until(lambda: documents(servers, installation, f"flowtier_{index}") > 0, 60)  # noqa: B023
    reviewer, name = servers.options("reviewer"), min(installation.recommendations())
    code, output = run("recommendations", installation, reviewer)
    assert (code, name.partition("/")[2] in output) == (0, True), output
    process = start(installation.environment | reviewer, "recommendations", "accept", name)
    output = searched("".join(process.communicate(timeout=60)))
    assert process.returncode == 0, output
    until(lambda: installation.recommendations()[name]["decision"] == "accept", 60)
    assert worker.health()["problems"] == {}
    searched(worker.log.read_text())


def refused(servers: Secured) -> bool:
    account = ("worker", PASSWORDS["worker"])
    ca = str(servers.folder / "ca.pem")
    with Elasticsearch(servers.stack.elasticsearch, ca_certs=ca, basic_auth=account) as client:
        return bool(client.options(ignore_status=[401, 403]).cluster.health().meta.status == 401)

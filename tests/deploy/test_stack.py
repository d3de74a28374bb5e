"""The local stack: servers start, stop, come back on their data, and say why when they do not."""

import os
import socket
import tempfile
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.local import child, place, ports, tools
from deploy.local.child import Child
from deploy.local.errors import StackError
from deploy.local.stack import Stack
from tests.waiting import until

FOREVER = "while :; do sleep 0.1; done"
STUBBORN = f"trap '' TERM; echo ready; {FOREVER}"


@pytest.fixture
def server():
    """Makes servers out of shell scripts, in a folder that the servers' user can reach; ends them."""
    made: list[Child] = []
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        folder = place.give(Path(name) / "server")

        def make(script: str) -> Child:
            environment = {"PATH": os.defpath}
            made.append(Child("Kafka", "127.0.0.1:1", ["sh", "-c", script], environment, folder))
            return made[-1]

        yield make
        for each in made:
            each.kill()


def test_a_server_that_dies_early_is_reported_with_the_end_of_its_log(server):
    with pytest.raises(StackError, match=r"Kafka ended while it started(.|\n)*no disk left"):
        server("echo no disk left; exit 1").start()


def test_a_silent_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(child, "START_SECONDS", 0)
    with pytest.raises(StackError, match="Kafka is silent after 0 s"):
        server(FOREVER).start()


def test_a_stopped_server_is_gone(server):
    running = server(FOREVER)
    running.spawn()
    assert running.is_alive()
    running.stop()
    assert not running.is_alive()


def test_a_server_that_does_not_listen_is_stopped_by_force(server, monkeypatch):
    running = server(STUBBORN)
    running.spawn()
    until(lambda: "ready" in running.log.read_text())
    monkeypatch.setattr(child, "STOP_SECONDS", 0.3)
    running.stop()
    until(lambda: not running.is_alive())


def test_a_server_is_found_by_another_process_until_it_is_stopped(server):
    running = server(FOREVER)
    running.spawn()
    found = Child.find(running.folder)
    assert found is not None
    assert found.is_alive()
    found.stop()
    assert not running.is_alive()
    assert Child.find(running.folder) is None


def test_a_pid_that_went_to_another_program_is_left_alone(server):
    other = server(FOREVER)
    other.spawn()
    ours = server(FOREVER)
    ours.pid, ours.born = other.pid, "long ago"
    ours.stop()
    ours.kill()
    assert other.is_alive()


def test_a_port_in_use_is_not_free():
    port = ports.free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert ports.free_port(preferred=port) != port


def test_java_is_found_whatever_java_is_on_the_path(monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    assert (tools.java_home() / "bin" / "java").exists()


def test_what_is_missing_is_said_in_one_sentence_that_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(tools, "JVM_FOLDERS", ())
    for name in ("JAVA_HOME", "ES_JAVA_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StackError, match=r"^Java 21 or newer is needed and none was found: install .*\.$"):
        tools.java_home()
    with pytest.raises(StackError, match=r"^Maven is needed .*: install it .*\.$"):
        tools.maven()


def test_a_java_that_is_too_old_is_told(monkeypatch):
    monkeypatch.setattr(tools, "OLDEST_JAVA", 999)
    with pytest.raises(StackError, match=r"Java 999 or newer is needed and the newest one found is \d+"):
        tools.java_home()


def test_the_stack_survives_a_crash_and_can_be_stopped_by_another_process(unique):
    stack = Stack(f"tests/{unique}")
    try:
        stack.start()
        broker = stack.servers["kafka"]
        admin = AdminClient({"bootstrap.servers": stack.kafka})
        admin.create_topics([NewTopic("flows", 1, 1)])["flows"].result()
        broker.kill()
        assert not stack.is_running()
        broker.start()
        assert "flows" in AdminClient({"bootstrap.servers": stack.kafka}).list_topics(timeout=10).topics
        found = Stack(f"tests/{unique}")
        assert found.is_running()
        found.stop()
        assert not stack.is_running()
    finally:
        stack.remove()

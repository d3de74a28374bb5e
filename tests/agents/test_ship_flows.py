"""The node shipper on the real Kafka: each line once, whatever happens to it and to its file."""

import gzip
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from confluent_kafka import Producer

from tests.agents.installation import FLOWTIER, ROOT, Installation
from tests.waiting import until

QUICK = {"FLOWTIER_SHIPPER_BATCH_SECONDS": "0.1", "FLOWTIER_SHIPPER_PORT": "0"}


def numbered(first: int, count: int) -> bytes:
    return b"".join(b'{"line": %d}\n' % number for number in range(first, first + count))


def shipped(installation: Installation) -> list[bytes]:
    """The lines that a reader of committed records sees, in order of their numbers."""
    values = [record.value() for record in installation.records(installation.topics.flows.name)]
    return sorted(b"".join(value.rstrip(b"\n") + b"\n" for value in values).splitlines(keepends=True))


def is_shipped(installation: Installation, first: int, count: int) -> Callable[[], bool]:
    return lambda: shipped(installation) == sorted(numbered(first, count).splitlines(keepends=True))


@pytest.fixture
def follow(installation, tmp_path):
    """Starts a shipper that follows flows.log."""
    installation.options |= QUICK
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FLOWTIER_")}
        with (tmp_path / f"shipper{len(started)}.log").open("wb") as output:
            process = subprocess.Popen(
                [*FLOWTIER, "ship", "--follow", str(tmp_path / "flows.log")],
                cwd=ROOT,
                env=environment | installation.environment,
                stderr=output,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


PACKED = {"flows.log": lambda content: content, "flows.gz": gzip.compress, "flows.zst": zstandard.compress}


@pytest.mark.parametrize("name", PACKED)
def test_a_file_is_shipped_once_however_often_it_is_asked_for(installation, tmp_path, name) -> None:
    (tmp_path / name).write_bytes(PACKED[name](numbered(0, 20_000).removesuffix(b"\n")))
    for said in ("20000 flows", "0 flows"):
        done = installation.run("ship", str(tmp_path / name))
        assert (done.returncode, said in done.stderr) == (0, True), done.stderr
    assert is_shipped(installation, 0, 20_000)()


def test_a_file_that_is_not_there_is_one_sentence(installation, tmp_path) -> None:
    done = installation.run("ship", str(tmp_path / "nothing.log"))
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].endswith("nothing.log: there is no such file")


def renamed(file: Path) -> None:
    file.rename(file.with_name("flows.log.1"))


def copied_and_emptied(file: Path) -> None:
    shutil.copy(file, file.with_name("flows.log.1"))
    os.truncate(file, 0)


def compressed(file: Path) -> None:
    file.with_name("flows.log.1.gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()


@pytest.mark.parametrize("rotate", [renamed, copied_and_emptied, compressed])
def test_rotation_loses_nothing_and_repeats_nothing(installation, follow, tmp_path, rotate) -> None:
    file = tmp_path / "flows.log"
    file.write_bytes(numbered(0, 500))
    follow()
    until(is_shipped(installation, 0, 500))
    with file.open("ab") as log:
        log.write(numbered(500, 500))
    rotate(file)
    with file.open("ab") as log:
        log.write(numbered(1_000, 500))
    until(is_shipped(installation, 0, 1_500))


def test_a_last_line_that_is_not_finished_waits(installation, follow, tmp_path) -> None:
    file = tmp_path / "flows.log"
    file.write_bytes(numbered(0, 1) + b'{"line":')
    follow()
    until(is_shipped(installation, 0, 1))
    with file.open("ab") as log:
        log.write(b" 1}\n")
    until(is_shipped(installation, 0, 2))


def test_a_shipper_killed_again_and_again_ships_each_line_once(installation, follow, tmp_path) -> None:
    file, step = tmp_path / "flows.log", 2_000
    file.write_bytes(b"")
    for number in range(3):
        process = follow()
        with file.open("ab") as log:
            log.write(numbered(number * step, step))
        if number == 1:
            renamed(file)
        until(lambda: len(shipped(installation)) > number * step)  # noqa: B023
        process.kill()
        process.wait()
    follow()
    until(is_shipped(installation, 0, 3 * step))


def test_a_second_shipper_of_a_node_ends_the_first_and_goes_on(installation, follow, tmp_path) -> None:
    file = tmp_path / "flows.log"
    file.write_bytes(numbered(0, 10))
    first = follow()
    until(is_shipped(installation, 0, 10))
    follow()

    written = 10

    def write_until_it_ended() -> bool:
        nonlocal written
        with file.open("ab") as log:
            log.write(numbered(written, 10))
        written += 10
        return first.poll() is not None

    until(write_until_it_ended)
    assert first.returncode == 2
    assert "another shipper has taken over node node" in (tmp_path / "shipper0.log").read_text()
    until(is_shipped(installation, 0, written))


def test_a_shipper_told_to_stop_ships_what_it_has_read(installation, follow, tmp_path) -> None:
    file = tmp_path / "flows.log"
    file.write_bytes(numbered(0, 10))
    process = follow()
    until(is_shipped(installation, 0, 10))
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_lines_too_long_for_a_message_come_in_pieces_and_the_next_line_is_whole(
    installation, tmp_path
) -> None:
    file = tmp_path / "flows.log"
    file.write_bytes(b"x" * 5_000 + b"\n" + numbered(0, 1))
    installation.options["FLOWTIER_SHIPPER_BATCH_BYTES"] = "2000"
    assert installation.run("ship", str(file)).returncode == 0
    values = [record.value() for record in installation.records(installation.topics.flows.name)]
    assert sum(map(len, values)) == file.stat().st_size
    assert any(value.endswith(numbered(0, 1)) for value in values)
    assert max(map(len, values)) <= 2_000


def test_an_open_transaction_of_a_dead_shipper_is_ended_by_the_next(installation, tmp_path) -> None:
    file = tmp_path / "flows.log"
    file.write_bytes(numbered(0, 10))
    dead = Producer(
        {"bootstrap.servers": installation.kafka, "transactional.id": f"{installation.name}.shipper.node"}
    )
    dead.init_transactions(20)
    dead.begin_transaction()
    dead.produce(installation.topics.flows.name, b"never seen")
    dead.flush(20)
    assert installation.run("ship", str(file)).returncode == 0
    until(is_shipped(installation, 0, 10))

"""The node shipper on the real Kafka: each line once, whatever happens to it and to its file."""

import gzip
import signal

import pytest
import zstandard
from confluent_kafka import Producer

from tests.agents.shipping import (
    Following,
    compressed,
    copied_and_emptied,
    is_shipped,
    numbered,
    renamed,
    shipped,
)
from tests.waiting import until


@pytest.fixture
def follow(installation):
    """Starts a shipper that follows flows.log."""
    following = Following(installation)
    yield following
    following.close()


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


@pytest.mark.parametrize("rotate", [renamed, copied_and_emptied, compressed])
def test_rotation_loses_nothing_and_repeats_nothing(installation, follow, tmp_path, rotate) -> None:
    file = tmp_path / "flows.log"
    file.write_bytes(numbered(0, 500))
    follow()
    until(is_shipped(installation, 0, 500))
    with file.open("ab") as log:
        log.write(numbered(500, 500))
    rotate(file, tmp_path / "flows.log.1")
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
            renamed(file, tmp_path / "flows.log.1")
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
    assert "another shipper has taken over node node" in follow.log(0).read_text()
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

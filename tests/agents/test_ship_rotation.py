"""What rotation can do to a flow log while the shipper looks, or is not there to look."""

import gzip
import os
import signal

import pytest
from confluent_kafka import Producer

from tests.agents.shipping import Following, copied_and_emptied, is_shipped, numbered, renamed, shipped
from tests.waiting import until


@pytest.fixture
def follow(installation):
    following = Following(installation)
    yield following
    following.close()


def append(follow: Following, content: bytes) -> None:
    with follow.file.open("ab") as log:
        log.write(content)


def killed(process) -> None:
    process.kill()
    process.wait()


def test_a_file_rotated_twice_while_nobody_looked_is_shipped_from_where_it_was_left(
    installation, follow, tmp_path
) -> None:
    follow.file.write_bytes(numbered(0, 500))
    process = follow()
    until(is_shipped(installation, 0, 500))
    killed(process)
    append(follow, numbered(500, 500))
    copied_and_emptied(follow.file, tmp_path / "flows.log.1")
    (tmp_path / "flows.log.2.gz").write_bytes(gzip.compress((tmp_path / "flows.log.1").read_bytes()))
    append(follow, numbered(1_000, 500))
    renamed(follow.file, tmp_path / "flows.log.1")
    append(follow, numbered(1_500, 500))
    follow()
    until(is_shipped(installation, 0, 2_000))


def test_a_new_file_on_the_inode_of_one_that_was_deleted_is_shipped_whole(installation, follow) -> None:
    follow.file.write_bytes(numbered(0, 500))
    inode = follow.file.stat().st_ino
    process = follow()
    until(is_shipped(installation, 0, 500))
    killed(process)
    follow.file.write_bytes(numbered(500, 500))  # the same inode, and as long as the one before
    assert follow.file.stat().st_ino == inode
    follow()
    until(is_shipped(installation, 0, 1_000))


SAME = b'{"line": "the same in every file"}\n'


@pytest.mark.parametrize("looks_on", [True, False])
def test_a_file_written_anew_with_the_same_first_line_is_shipped(installation, follow, looks_on) -> None:
    follow.file.write_bytes(SAME + numbered(0, 500))
    process = follow()
    until(lambda: len(shipped(installation)) == 501)
    if not looks_on:
        killed(process)
    with follow.file.open("r+b") as log:  # longer than before: its size does not give it away
        log.truncate()
        log.write(SAME + numbered(500, 1_000))
    if not looks_on:
        follow()
    until(lambda: len(shipped(installation)) == 1_502)
    assert shipped(installation) == sorted([SAME, SAME, *numbered(0, 1_500).splitlines(keepends=True)])


def test_what_was_read_of_a_file_that_is_then_emptied_is_not_spliced_with_what_comes(
    installation, follow, tmp_path
) -> None:
    """No batch is due for long: everything is read, and nothing given out, when the file is emptied."""
    slow = {"FLOWTIER_SHIPPER_BATCH_SECONDS": "3"}
    follow.file.write_bytes(numbered(0, 10))
    follow.options |= slow
    follow()
    until(lambda: "flows.log" in follow.holds())
    append(follow, numbered(10, 10))
    copied_and_emptied(follow.file, tmp_path / "flows.log.1")
    append(follow, numbered(20, 100))
    until(lambda: len(shipped(installation)) >= 120, 60)
    assert is_shipped(installation, 0, 120)()


def test_a_small_packed_file_is_shipped_though_it_holds_no_line_end_in_its_own_bytes(
    installation, follow, tmp_path
) -> None:
    packed = gzip.compress(numbered(0, 3), mtime=0)
    assert b"\n" not in packed
    (tmp_path / "flows.log.1.gz").write_bytes(packed)
    follow.file.write_bytes(numbered(3, 3))
    follow()
    until(is_shipped(installation, 0, 6))


def test_a_packed_file_that_is_still_being_written_does_not_end_the_shipper(
    installation, follow, tmp_path
) -> None:
    packed, file = gzip.compress(numbered(0, 30_000)), tmp_path / "flows.log.1.gz"
    file.write_bytes(packed[: len(packed) // 2])
    follow.file.write_bytes(numbered(30_000, 10))
    process = follow()
    until(lambda: len(shipped(installation)) >= 10)
    with file.open("ab") as rest:
        rest.write(packed[len(packed) // 2 :])
    os.utime(file, (0, file.stat().st_mtime - 60))  # gzip gives it the time of what it packed
    until(is_shipped(installation, 0, 30_010), 90)
    assert process.poll() is None


def test_places_behind_another_nodes_open_transaction_are_found(installation, follow) -> None:
    follow.file.write_bytes(numbered(0, 10))
    process = follow()
    until(is_shipped(installation, 0, 10))
    other = Producer(
        {
            "bootstrap.servers": installation.kafka,
            "transactional.id": f"{installation.name}.shipper.other",
            "transaction.timeout.ms": 10_000,
        }
    )
    other.init_transactions(20)
    other.begin_transaction()
    other.produce(installation.topics.shipper_places.name, b"{}", "other/1/x")
    other.flush(20)
    append(follow, numbered(10, 10))
    until(is_shipped(installation, 0, 20))
    killed(process)
    append(follow, numbered(20, 10))
    follow()
    until(lambda: len(shipped(installation)) >= 30, 60)
    assert is_shipped(installation, 0, 30)()


def test_a_shipper_told_to_stop_while_its_buffer_is_full_drops_nothing(installation, follow) -> None:
    follow.options |= {"FLOWTIER_SHIPPER_BATCH_BYTES": "2000", "FLOWTIER_SHIPPER_BUFFER_BYTES": "2000"}
    follow.file.write_bytes(numbered(0, 40_000))
    for _ in range(3):
        process, before = follow(), len(shipped(installation))
        until(lambda: len(shipped(installation)) > before, 60)  # noqa: B023
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    follow.options.clear()
    follow()
    until(lambda: len(shipped(installation)) >= 40_000, 60)
    assert is_shipped(installation, 0, 40_000)()

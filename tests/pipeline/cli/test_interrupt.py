"""A command that is interrupted ends, and says no more than that."""

import os
import signal
import subprocess
from pathlib import Path

from pipeline.flow_files import BLOCK
from tests.agents.installation import FLOWTIER
from tests.waiting import until

CASE = Path(__file__).parents[2] / "cases" / "whatif" / "another-rule-decides-the-same"


def test_a_what_if_of_several_processes_is_interrupted_without_a_traceback():
    arguments = ["whatif", str(CASE / "base"), str(CASE / "head"), "-", "--jobs", "2"]
    with subprocess.Popen(
        [*FLOWTIER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as command:
        assert command.stdin
        command.stdin.write(b'{"no flow": "%s"}\n' % (b"x" * BLOCK) * 2)
        command.stdin.flush()
        until(lambda: len(children(command.pid)) >= 3)  # one keeps track of what they share
        os.killpg(command.pid, signal.SIGINT)  # as a terminal does
        command.stdin.close()
        assert command.stderr
        said = command.stderr.read().decode()
        assert command.wait(30) == 1
    assert "Aborted!" in said
    assert "Traceback" not in said


def children(process: int) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()

"""`flowtier dashboards …` as a person types it."""

import io
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

import pytest

from agents.cli import main


class Ran(NamedTuple):
    out: str
    said: str
    code: int


def run(*arguments: str, environment: Mapping[str, str] | None = None) -> Ran:
    """In this process, for a new one takes seconds."""
    out, said = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patched, redirect_stdout(out), redirect_stderr(said):
        for name, value in {"COLUMNS": "500", **(environment or {})}.items():
            patched.setenv(name, value)
        patched.setattr(sys, "argv", ["flowtier", "dashboards", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
    return Ran(out.getvalue(), said.getvalue(), int(ended.value.code or 0))

"""What a machine gets: every package of ours, and the locked ones with their hashes and no addresses."""

import re
import subprocess
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()


def test_every_package_is_listed():
    folders = (
        init.parent
        for top in ("pipeline", "agents", "dashboards")
        for init in (ROOT / top).rglob("__init__.py")
    )
    found = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert found == set(PROJECT["tool"]["setuptools"]["packages"])


def test_every_data_file_is_there():
    for package, files in PROJECT["tool"]["setuptools"]["package-data"].items():
        folder = ROOT.joinpath(*package.split("."))
        assert all((folder / file).exists() for file in files)


def test_the_lock_pins_everything_that_is_asked_for():
    pinned = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", LOCK, flags=re.MULTILINE))
    asked = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["dev"]
    for requirement in map(Requirement, asked):
        assert pinned[requirement.name.lower()] in requirement.specifier


def test_the_lock_has_a_hash_for_each_pin_and_no_address():
    pins = re.findall(r"^\S+==\S+ \\\n    --hash=sha256:[0-9a-f]{64}", LOCK, flags=re.MULTILINE)
    assert len(pins) == len(re.findall(r"^\S+==", LOCK, flags=re.MULTILINE))
    assert "://" not in LOCK


def test_the_python_that_make_takes_is_new_enough():
    found = subprocess.run(["sh", ROOT / "deploy/python.sh"], capture_output=True, text=True, check=True)
    version = subprocess.run(
        [found.stdout.strip(), "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert tuple(map(int, re.findall(r"\d+", version.stdout)[:2])) >= (3, 12)


def test_no_python_is_told_in_one_sentence(tmp_path):
    for name in ("python3", "python3.14", "python3.13", "python3.12"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    script = (ROOT / "deploy/python.sh").read_text().replace("/usr/bin/python3", "")
    told = subprocess.run(
        ["/bin/sh", "-c", script], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert told.returncode == 1
    assert told.stderr.startswith("Python 3.12 or newer is needed")
    assert told.stderr.count("\n") == 1

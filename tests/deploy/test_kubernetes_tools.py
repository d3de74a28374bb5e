"""What a Kubernetes API is built from and started with, and what is said where that is missing."""

import shutil

import pytest

from deploy.local import kubernetes_build
from deploy.local.errors import StackError
from deploy.local.kubernetes_build import binary, build, is_built


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The module, in a folder of its own, with a cache that is empty."""
    copy = tmp_path / "module"
    shutil.copytree(kubernetes_build.MODULE, copy)
    monkeypatch.setattr(kubernetes_build, "MODULE", copy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return copy


def test_what_is_missing_is_named_in_one_sentence(module, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        StackError, match=r"^For a Kubernetes API install what is missing.*: etcd .*kubectl .*\.$"
    ):
        build()


def test_without_go_what_was_built_is_enough(module, monkeypatch, tmp_path) -> None:
    for name in ("etcd", "kubectl"):
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match=r"missing on this machine: go \(.*\)\.$"):
        build()
    binary().touch()
    assert build() == binary()


def test_another_version_is_another_program_in_the_cache(module, tmp_path) -> None:
    before = binary()
    assert before.is_relative_to(tmp_path / "cache" / "flowtier")
    assert not is_built()
    file = module / "go.mod"
    file.write_text(file.read_text() + "\n// another\n")
    assert binary() != before

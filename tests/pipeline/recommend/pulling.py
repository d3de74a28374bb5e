"""A directory that policies are pulled into."""

from pathlib import Path
from typing import Any

from pipeline.recommend.pull import Step, pull

FILE = "shop/default.front.yaml"
PROPOSAL = f"{FILE}.new"
BASE = ".flowtier/shop/default.front.pulled"
IN_CONFLICT = ".flowtier/shop/default.front.conflict"


def policy(
    *peers: str, name: str = "default.front", namespace: str = "shop", order: int = 1500
) -> dict[str, Any]:
    rules = [{"action": "Allow", "destination": {"selector": f"app == '{peer}'"}} for peer in peers]
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "StagedNetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"tier": "default", "order": order, "selector": "app == 'front'", "egress": rules},
    }


class Directory:
    def __init__(self, path: Path) -> None:
        self.path = path

    def pull(self, *manifests: dict[str, Any], **options: Any) -> dict[str, str]:
        return {step.file: step.word for step in self.steps(*manifests, **options)}

    def steps(self, *manifests: dict[str, Any], **options: Any) -> list[Step]:
        return pull(self.path, manifests, **options)

    def read(self, file: str = FILE) -> str:
        return (self.path / file).read_text()

    def edit(self, old: str, new: str, file: str = FILE) -> None:
        assert old in self.read(file)
        (self.path / file).write_text(self.read(file).replace(old, new))

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Every file with its content and its time."""
        files = (file for file in self.path.rglob("*") if file.is_file())
        return {
            str(file.relative_to(self.path)): (file.read_bytes(), file.stat().st_mtime_ns) for file in files
        }


def pulled_once(path: Path) -> Directory:
    """Where one policy was pulled."""
    made = Directory(path)
    assert made.pull(policy("cart")) == {FILE: "created"}
    return made

"""What commands that need no server read: manifests and flow files."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from pipeline.cli.sources import require
from pipeline.dead_letter import Reject
from pipeline.facts import Facts
from pipeline.judge import Judge
from pipeline.policy.load import load_paths
from pipeline.policy.revision import to_policies

SHOWN_REJECTS = 20
UNREADABLE = 1  # exit code: some lines are no flows


def load_judge(directories: Iterable[Path], cluster: str, max_cells: int, console: Console) -> Judge:
    """The judge of all manifests in some directories; warnings go to the console, ManifestError is raised
    where one cannot be used."""
    loaded = load_paths(directories)
    require(loaded, console)
    facts = Facts.from_resources(resource.plain for resource in loaded.facts)
    return Judge(to_policies(loaded), facts, cluster, 0, max_cells)


def say_rejects(
    rejects: Sequence[Reject], flows: Sequence[str], before: int, console: Console, *, blocks: bool = False
) -> None:
    """Name the first lines that are no flows, of which `before` were named already; `blocks`: messages
    hold many lines."""
    for reject in rejects[: max(0, SHOWN_REJECTS - before)]:
        line = reject.origin.offset + 1 + (reject.origin.row or 0 if blocks else 0)
        place = f"{flows[reject.origin.partition]}:{line}"
        console.print(f"{place}: {reject.reason}", style="red", markup=False, highlight=False)

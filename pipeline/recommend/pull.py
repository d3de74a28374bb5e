"""Recommended manifests ▸ a directory of YAML in git that people edit: three-way, by policy."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

from pipeline.recommend.merge import MergeError, merge
from pipeline.recommend.pulled_files import FileError, Place, PulledFiles
from pipeline.recommend.render import to_yaml

type Word = Literal[
    "created", "updated", "merged", "kept", "deleted", "removed", "unchanged", "conflict", "refused"
]


_SHOWN = 120  # characters of what is no name


@dataclass(slots=True)
class Step:
    """What is done with one policy, and why; `writes`: contents by file, None where it goes."""

    file: str
    word: Word
    reasons: tuple[str, ...] = ()
    writes: dict[PurePosixPath, bytes | None] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether a person has to do something."""
        return self.word in ("conflict", "refused")


def pull(
    directory: Path,
    manifests: Iterable[Mapping[str, Any]],
    namespace: str | None = None,
    *,
    check: bool = False,
) -> list[Step]:
    """Bring the manifests into the directory, only those of one namespace where that is given; what is not
    recommended any more goes. `check`: only tell. Ordered by file.
    """
    files = PulledFiles(directory)
    steps = sorted(_steps(files, manifests, namespace), key=lambda step: step.file)
    for step in steps if not check else ():
        try:
            # The file first: where this ends half-way, the next pull finds it as it should be.
            for path, content in step.writes.items():
                files.write(path, content)
        except FileError as error:
            step.word, step.reasons = "refused", (str(error),)
    return steps


def _steps(
    files: PulledFiles, manifests: Iterable[Mapping[str, Any]], namespace: str | None
) -> Iterator[Step]:
    done = set()
    for manifest in manifests:
        metadata = manifest.get("metadata") or {}
        names = metadata.get("namespace"), metadata.get("name")
        if namespace not in (None, names[0]):
            continue
        try:
            place = Place(*names)
        except FileError as error:
            yield Step(repr(names)[:_SHOWN], "refused", (str(error),))
            continue
        if place.file in done:
            yield Step(str(place.file), "refused", ("two recommendations are of this name",))
            continue
        done.add(place.file)
        yield _step(files, place, to_yaml(dict(manifest)).encode())
    for place in files.pulled():
        if place.file not in done and namespace in (None, place.namespace):
            yield _step(files, place, None)


def _step(files: PulledFiles, place: Place, new: bytes | None) -> Step:
    paths = place.file, place.proposal, place.pulled, place.in_conflict
    try:
        before = Contents(*map(files.read, paths))
        word, reasons, after = _decide(before, new)
    except FileError as error:
        return Step(str(place.file), "refused", (str(error),))
    changed = zip(paths, before, after, strict=True)
    return Step(str(place.file), word, reasons, {path: now for path, was, now in changed if was != now})


class Contents(NamedTuple):
    """Of a policy's files; None where there is none."""

    file: bytes | None
    proposal: bytes | None
    pulled: bytes | None  # the base
    in_conflict: bytes | None


type _Decision = tuple[Word, tuple[str, ...], Contents]


def _decide(are: Contents, new: bytes | None) -> _Decision:
    """`new`: what is recommended now, None where nothing is."""
    if are.in_conflict is not None and are.proposal is None:  # a person has dealt with it: it is the base
        are = are._replace(pulled=are.in_conflict, in_conflict=None)
    settled = are._replace(in_conflict=None)
    if are.proposal == are.in_conflict:  # as we wrote it
        settled = settled._replace(proposal=None)
    return _withdraw(settled) if new is None else _bring(are, settled, new)


def _withdraw(settled: Contents) -> _Decision:
    gone = settled._replace(file=None, pulled=None)
    if settled.file in (None, settled.pulled):
        return "removed", ("it is no longer recommended",), gone
    return "kept", ("it was edited by hand, and is no longer recommended",), settled


def _bring(are: Contents, settled: Contents, new: bytes) -> _Decision:
    file, base = settled.file, settled.pulled
    done = settled._replace(pulled=new)
    if file is None and base is not None:
        return "deleted", ("it was deleted by hand, and is recommended still",), settled
    if file is None:
        return "created", (), done._replace(file=new)
    if file == new:
        return "unchanged", (), done
    if file == base:
        return "updated", (), done._replace(file=new)
    if base is None:
        return _conflict(are, new, ("it is there, and was not pulled before",))
    if new == base:
        return "kept", ("it was edited by hand",), settled
    try:
        merged = merge(base.decode(), file.decode(), new.decode()).encode()
    except MergeError as error:
        return _conflict(are, new, error.reasons)
    except UnicodeDecodeError:
        return _conflict(are, new, ("it is not UTF-8",))
    if merged == file:
        return "kept", ("it was edited by hand, and says what is recommended",), done
    return "merged", (), done._replace(file=merged)


def _conflict(are: Contents, new: bytes, reasons: tuple[str, ...]) -> _Decision:
    """The file stays; the proposal stands beside it, unless a person is at work on the one before."""
    if are.proposal not in (None, are.in_conflict, new):
        return "conflict", reasons, are
    return "conflict", reasons, are._replace(proposal=new, in_conflict=new)

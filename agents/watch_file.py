"""What `flowtier watch` has told, kept in a file over restarts."""

import os
from pathlib import Path

import msgspec

from pipeline.changes import Known, WatchError


def read_known(file: Path | None, cluster: str) -> Known | None:
    """None where nothing was kept yet; raises WatchError where it cannot be used."""
    if not file or not file.exists():
        return None
    try:
        known = msgspec.json.decode(file.read_bytes(), type=Known)
    except (OSError, msgspec.MsgspecError) as error:
        raise WatchError(f"{file} holds nothing that flowtier watch kept: {error}") from None
    if known.cluster != cluster:
        raise WatchError(f"{file} is of cluster {known.cluster}, not of {cluster}: keep one for each")
    return known


def keep(known: Known, file: Path | None) -> None:
    """Raises WatchError where it cannot be written."""
    if not file:
        return
    beside = file.with_name(f"{file.name}.new")
    try:
        beside.write_bytes(msgspec.json.encode(known, order="sorted"))
        os.replace(beside, file)  # noqa: PTH105 - a file that is half written is none
    except OSError as error:
        raise WatchError(f"{file} cannot be written: {error.strerror}") from None

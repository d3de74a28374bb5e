"""Whole revisions on Kafka: the record that ends a publish, and what tells a whole one from a torn one."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Literal, NotRequired, TypedDict

import msgspec

from pipeline.policy.resources import find, resource_key

type Resources = Mapping[str, bytes]  # key of the resource ▸ its manifest as canonical JSON

KEY = "revision"  # no resource's key: those have slashes


class RevisionError(ValueError):
    """A revision that cannot be used; the message says why."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where policies come from.

    `source` owns them: another one is refused unless it takes over. `by` is the person or service account
    that publishes. `commit` is git's, with `-dirty` behind it where the files were not as committed, and
    `author` its author; None where they come from elsewhere.
    """

    source: str
    by: str | None = None  # None in records from before it was kept
    commit: str | None = None
    author: str | None = None


class Revision(Origin, frozen=True, kw_only=True):
    """The record that ends a publish and says what the topic then holds in whole.

    `revision` names the policies' content, as the documents carry it; `content` is the hash of the
    resources' records themselves. `published` is in seconds since the epoch.
    """

    v: Literal[1] = 1
    revision: str
    content: str
    resources: int
    published: float


_DECODER = msgspec.json.Decoder(Revision)


def content_hash(resources: Resources) -> str:
    """SHA-256 over keys and values in order of keys, in hexadecimal digits."""
    digest = sha256()
    for key in sorted(resources):
        for part in (key.encode(), resources[key]):
            digest.update(len(part).to_bytes(8))
            digest.update(part)
    return digest.hexdigest()


def changes(before: Resources, after: Resources) -> dict[str, bytes | None]:
    """What has to be written for `after` to stand where `before` does; None removes a resource."""
    changed: dict[str, bytes | None] = {
        key: value for key, value in after.items() if before.get(key) != value
    }
    return changed | {key: None for key in before if key not in after}


def encode(revision: Revision) -> bytes:
    """The value of the revision record."""
    return msgspec.json.encode(revision)


def decode(value: bytes | None) -> Revision:
    """The revision of a record. Raises RevisionError for what is none, or of another version."""
    try:
        return _DECODER.decode(value or b"")
    except msgspec.MsgspecError as error:
        raise RevisionError(f"the revision record cannot be read: {error}") from error


def check_whole(revision: Revision, resources: Resources) -> None:
    """Raises RevisionError where `resources` are not what was published."""
    if len(resources) != revision.resources:
        raise RevisionError(
            f"revision {revision.revision} has {revision.resources} resources, but the topic holds"
            f" {len(resources)}: publish again"
        )
    if content_hash(resources) != revision.content:
        raise RevisionError(
            f"the resources on the topic are not those of revision {revision.revision}: publish again"
        )
    for key, value in resources.items():
        if not _is_policy(key, value):
            # Passed over, it would be missing from verdicts without a word.
            reason = f"{key} of revision {revision.revision} is no policy of that name"
            raise RevisionError(f"{reason}: publish again")


class _Metadata(TypedDict):
    name: str
    namespace: NotRequired[str]


class _Manifest(TypedDict):
    apiVersion: str
    kind: str
    metadata: _Metadata


_MANIFEST = msgspec.json.Decoder(_Manifest)


def _is_policy(key: str, value: bytes) -> bool:
    try:
        manifest = _MANIFEST.decode(value)
    except (ValueError, RecursionError):
        return False
    kind = find(manifest["apiVersion"], manifest["kind"])
    return kind is not None and kind.role == "policy" and resource_key({**manifest}) == key


class Shelf:
    """What the policies topic holds, record by record; `newest` is the last revision record that came,
    with the resources as they stood then."""

    def __init__(self) -> None:
        self.newest: tuple[bytes | None, dict[str, bytes]] | None = None
        self.resources: dict[str, bytes] = {}

    def put(self, key: str, value: bytes | None) -> None:
        """Take over one record; None removes the resource."""
        if key == KEY:
            self.newest = value, dict(self.resources)
        elif value is None:
            self.resources.pop(key, None)
        else:
            self.resources[key] = value

"""Publishes a directory of manifests: one whole revision of its policies, and the facts found there."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException

from agents import topics
from agents.publish_facts import changed_facts
from agents.topics import Topics
from agents.transactions import Record, Transactions
from agents.whole_topic import WholeTopic, text
from pipeline import revisions
from pipeline.policy.load import Loaded, load_paths
from pipeline.policy.resources import canonical_json
from pipeline.policy.revision import to_policies
from pipeline.revisions import Revision, RevisionError, Shelf
from pipeline.settings import Settings


class PublishError(RuntimeError):
    """A publish that is refused, or that Kafka did not take; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was written: the revision, how many records changed, and what was found in the manifests."""

    revision: Revision
    written: int
    removed: int
    facts: int
    loaded: Loaded


def publish(
    settings: Settings, directory: Path, source: str, *, with_facts: bool = False, takeover: bool = False
) -> Published:
    """Make what is in `directory` the revision in force, in one transaction; a resource whose file is
    gone is removed.

    Raises ManifestError where a manifest is wrong, PublishError where another source owns the
    policies or Kafka did not take it, ReachError and TopicError where it or the topics cannot be used.
    """
    loaded = load_paths([directory])
    policies = to_policies(loaded)
    topics.create(settings)
    try:
        transactions = Transactions(settings, f"{settings.topics.prefix}publish")
        transactions.begin_alone()  # before reading: nobody writes what is not seen here
        shelf = _read(settings)
        _check_owner(shelf, source, takeover=takeover)
        wanted = {resource.key: canonical_json(resource.document) for resource in loaded.policies}
        revision = Revision(
            revision=policies.revision,
            content=revisions.content_hash(wanted),
            resources=len(wanted),
            source=source,
            commit=_commit(directory),
            published=time.time(),
        )
        changes = revisions.changes(shelf.resources, wanted)
        facts = list(changed_facts(settings, loaded, source, revision.published)) if with_facts else []
        transactions.run([*_records(settings, changes, revision), *facts])
    except KafkaException as error:
        reason = error.args[0].str()
        raise PublishError(f"nothing was published, Kafka at {settings.kafka.bootstrap}: {reason}") from None
    removed = sum(value is None for value in changes.values())
    return Published(revision, len(changes) - removed, removed, len(facts), loaded)


def _read(settings: Settings) -> Shelf:
    shelf = Shelf()
    with WholeTopic(settings, Topics(settings).policies.name) as topic:
        for message in topic.read_to_end():
            shelf.put(text(message.key()), message.value())
    return shelf


def _check_owner(shelf: Shelf, source: str, *, takeover: bool) -> None:
    if takeover or not shelf.newest:
        return
    try:
        owner = revisions.decode(shelf.newest[0]).source
    except RevisionError as error:
        raise PublishError(f"{error}: replace it with --takeover") from None
    if owner != source:
        raise PublishError(
            f"the policies are published from {owner!r}, not from {source!r}:"
            " publish there, or name it with --source, or replace all of them with --takeover"
        )


def _records(settings: Settings, changes: Mapping[str, bytes | None], revision: Revision) -> Iterator[Record]:
    topic = Topics(settings).policies.name
    for key, value in changes.items():
        yield Record(topic, key.encode(), value)
    yield Record(topic, revisions.KEY.encode(), revisions.encode(revision))


def _commit(directory: Path) -> str | None:
    """The git commit that the directory is at; None outside of git."""
    command = ["git", "-C", str(directory), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None

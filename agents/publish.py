"""Publishes manifests: one whole revision of their policies, and the facts among them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
from confluent_kafka import KafkaException

from agents import topics
from agents.policies_topic import read_shelf
from agents.publish_facts import changed_facts
from agents.reach_kafka import list_topics
from agents.topics import Topics
from agents.transactions import Record, Transactions
from pipeline import revisions
from pipeline.changed_resources import ChangedResources, changed_resources
from pipeline.policy.load import Loaded
from pipeline.policy.resources import canonical_json
from pipeline.policy.revision import to_policies
from pipeline.revisions import Origin, Resources, Revision, RevisionError, Shelf
from pipeline.settings import Settings
from pipeline.user_error import UserError


class PublishError(UserError):
    """A publish that is refused, or that Kafka did not take; the message says why and what to do."""


class OwnerError(PublishError):
    """A publish that is refused since another source owns the policies."""


@dataclass(frozen=True, slots=True)
class Published:
    """A revision, what it changes over the one in force before, how many facts are new, changed or ended,
    and what was found in the manifests."""

    revision: Revision
    changes: ChangedResources
    facts: int
    loaded: Loaded


def publish(
    settings: Settings, loaded: Loaded, origin: Origin, *, with_facts: bool = False, takeover: bool = False
) -> Published:
    """Make what was loaded the revision in force, in one transaction; a resource that is not there any more
    is removed.

    Raises ManifestError where a manifest is wrong, PublishError where another source owns the
    policies or Kafka did not take it, ReachError and TopicError where it or the topics cannot be used.
    """
    name, wanted = to_policies(loaded).revision, _wanted(loaded)
    topics.create(settings)
    try:
        transactions = Transactions(settings, f"{settings.topics.prefix}publish")
        transactions.begin_alone()  # before reading: nobody writes what is not seen here
        shelf = read_shelf(settings)
        _check_owner(shelf, origin.source, takeover=takeover)
        revision = _revision(name, wanted, origin)
        facts = _facts(settings, loaded, revision) if with_facts else []
        transactions.run([*_records(settings, shelf, wanted, revision), *facts])
    except KafkaException as error:
        raise PublishError(f"nothing was published, {_reason(settings, error)}") from None
    return Published(revision, changed_resources(shelf.resources, wanted), len(facts), loaded)


def preview(
    settings: Settings, loaded: Loaded, origin: Origin, *, with_facts: bool = False, takeover: bool = False
) -> Published:
    """What `publish` would do, with nothing written and no other publish disturbed; raises as it does."""
    wanted = _wanted(loaded)
    revision = _revision(to_policies(loaded).revision, wanted, origin)
    names, there = Topics(settings), list_topics(settings.kafka)
    try:
        shelf = read_shelf(settings) if names.policies.name in there else Shelf()
        _check_owner(shelf, origin.source, takeover=takeover)
        with_facts = with_facts and names.facts.name in there
        facts = len(_facts(settings, loaded, revision)) if with_facts else 0
    except KafkaException as error:
        raise PublishError(_reason(settings, error)) from None
    return Published(revision, changed_resources(shelf.resources, wanted), facts, loaded)


def _wanted(loaded: Loaded) -> Resources:
    return {resource.key: canonical_json(resource.document) for resource in loaded.policies}


def _revision(name: str, wanted: Resources, origin: Origin) -> Revision:
    return Revision(
        **msgspec.structs.asdict(origin),
        revision=name,
        content=revisions.content_hash(wanted),
        resources=len(wanted),
        published=time.time(),
    )


def _check_owner(shelf: Shelf, source: str, *, takeover: bool) -> None:
    if takeover or not shelf.newest:
        return
    try:
        owner = revisions.decode(shelf.newest[0]).source
    except RevisionError as error:
        raise PublishError(f"{error}: replace it with --takeover") from None
    if owner != source:
        raise OwnerError(
            f"the policies are published from {owner!r}, not from {source!r}:"
            " publish there, or name it with --source, or replace all of them with --takeover"
        )


def _facts(settings: Settings, loaded: Loaded, revision: Revision) -> list[Record]:
    return list(changed_facts(settings, loaded, revision.source, revision.published))


def _records(settings: Settings, shelf: Shelf, wanted: Resources, revision: Revision) -> Iterator[Record]:
    topic = Topics(settings).policies.name
    for key, value in revisions.changes(shelf.resources, wanted).items():
        yield Record(topic, key.encode(), value)
    yield Record(topic, revisions.KEY.encode(), revisions.encode(revision))


def _reason(settings: Settings, error: KafkaException) -> str:
    return f"Kafka at {settings.kafka.bootstrap}: {error.args[0].str()}"

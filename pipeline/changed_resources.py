"""What one set of resources changes over another: what is new, what is gone, and which fields changed."""

from collections.abc import Iterator
from typing import Any

import msgspec

from pipeline.policy.problems import Location, path
from pipeline.revisions import Resources

_MISSING = object()


class ChangedResource(msgspec.Struct, frozen=True):
    """A resource that is on both sides, and the paths of the fields that differ."""

    resource: str
    fields: tuple[str, ...]


class ChangedResources(msgspec.Struct, frozen=True):
    """Resources by key (Kind/namespace/name), in order of keys."""

    new: tuple[str, ...]
    changed: tuple[ChangedResource, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.new or self.changed or self.removed)


def changed_resources(before: Resources, after: Resources) -> ChangedResources:
    """What `after` changes where `before` stands."""
    changed = (key for key in sorted(after) if key in before and before[key] != after[key])
    return ChangedResources(
        new=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(ChangedResource(key, changed_fields(before[key], after[key])) for key in changed),
        removed=tuple(sorted(before.keys() - after.keys())),
    )


def changed_fields(before: bytes, after: bytes) -> tuple[str, ...]:
    """Paths of the fields that differ between two manifests in JSON, such as `spec.ingress[0].action`."""
    try:
        sides = msgspec.json.decode(before), msgspec.json.decode(after)
    except (msgspec.DecodeError, RecursionError):  # what somebody else wrote on the topic
        return ()
    return tuple(map(path, _different((), *sides)))


def _different(location: Location, before: Any, after: Any) -> Iterator[Location]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _different((*location, key), before.get(key, _MISSING), after.get(key, _MISSING))
    elif isinstance(before, list) and isinstance(after, list):
        for index in range(max(len(before), len(after))):
            sides = (each[index] if index < len(each) else _MISSING for each in (before, after))
            yield from _different((*location, index), *sides)
    elif type(before) is not type(after) or before != after:
        yield location

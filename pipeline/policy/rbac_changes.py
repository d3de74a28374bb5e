"""What a change of manifests does that its author may not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

from pipeline.policy.can_i import Answer, Target, Verb, can_i
from pipeline.policy.load import Loaded
from pipeline.policy.problems import Location, Problem
from pipeline.policy.rbac import Rbac, Rights, Who, named
from pipeline.policy.resources import Document

_DONE: Mapping[Verb, str] = {"create": "created", "update": "changed", "delete": "deleted"}


@dataclass(frozen=True, slots=True)
class RefusedChange:
    """A change that is not allowed: of which resource (by its key), what permission is missing, and the same
    in words with file and line: of HEAD, or of BASE where the resource is deleted."""

    verb: Verb
    resource: str
    lacking: tuple[str, ...]
    problem: Problem


def refused_changes(base: Loaded, head: Loaded, who: Who, rbac: Rbac | None = None) -> list[RefusedChange]:
    """Every policy, tier, network set, role and binding that `head` creates, changes or deletes over `base`
    and `who` may not: in order of file and line.

    The RBAC in force is BASE's, or `rbac` where it stands elsewhere, never HEAD's: else an author would grant
    himself rights in the very change that needs them. A policy that moves between tiers needs both
    (CALICO.md §8). Who may either update or patch may change a resource. That Kubernetes also keeps people
    from giving away rights that they do not have (escalate, bind) is not looked at.

    Raises ManifestError where the RBAC in force cannot be used.
    """
    rights = (rbac or Rbac.of(base)).rights_of(who)
    refused = filter(None, (_refused(rights, *change) for change in _changes(base, head)))
    return sorted(refused, key=lambda each: (each.problem, each.resource))


@dataclass(frozen=True, slots=True)
class _Side:
    """A resource on one side."""

    loaded: Loaded
    key: str
    document: Document

    @property
    def target(self) -> Target:
        return Target.of_document(self.key, self.document)

    @property
    def said(self) -> tuple[object, ...]:
        """All that an API keeps of it: labels and annotations mean nothing to traffic, and are a change."""
        place = self.loaded.places.get(self.key)
        metadata = place.item.data["metadata"] if place else {}
        return self.document, metadata.get("labels") or {}, metadata.get("annotations") or {}

    def problem(self, location: Location, reason: str) -> Problem:
        if place := self.loaded.places.get(self.key):
            return place.problem(location, reason)
        return Problem(self.key, 1, "document", reason)


def _changes(base: Loaded, head: Loaded) -> Iterator[tuple[Verb, _Side, Target]]:
    """Each change with the side to point at; the target of one that moves has both tiers."""
    before, after = _sides(base), _sides(head)
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if new is None:
            assert old is not None
            yield "delete", old, old.target
        elif old is None:
            yield "create", new, new.target
        elif _differ(old, new):
            tiers = tuple(dict.fromkeys(old.target.tiers + new.target.tiers))
            yield "update", new, Target(new.target.kind, new.target.namespace, new.target.name, tiers)


def _sides(loaded: Loaded) -> dict[str, _Side]:
    return {each.key: _Side(loaded, each.key, each.document) for each in chain(loaded.policies, loaded.rbac)}


def _differ(old: _Side, new: _Side) -> bool:
    """Whether they say different things; of a side without manifests only its meaning is known."""
    if old.key in old.loaded.places and new.key in new.loaded.places:
        return old.said != new.said
    return old.document != new.document


def _refused(rights: Rights, verb: Verb, side: _Side, target: Target) -> RefusedChange | None:
    ways: tuple[Verb, ...] = ("update", "patch") if verb == "update" else (verb,)
    answer = min((can_i(rights, way, target) for way in ways), key=lambda each: len(each.lacking))
    if answer.allowed:
        return None
    moved = len(target.tiers) > 1
    what = f"moved from tier {' to '.join(target.tiers)}" if moved else _DONE[verb]
    tier = f" in tier {target.tiers[0]}" if target.tiers and not moved else ""
    reason = f"{named(side.key)} is {what}{tier}, which {rights.who} may not: {_lacks(answer)}"
    lacking = tuple(map(str, answer.lacking))
    return RefusedChange(verb, side.key, lacking, side.problem(("spec", "tier") if moved else (), reason))


def _lacks(answer: Answer) -> str:
    return "nothing grants " + ", nor ".join(map(str, answer.lacking))

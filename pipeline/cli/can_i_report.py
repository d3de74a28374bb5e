"""What `flowtier can-i` tells, as `--json` has it."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from pipeline.policy.can_i import SERVED, Answer, Target, Verb, can_i
from pipeline.policy.load import Loaded
from pipeline.policy.rbac import Grant, Rights, named
from pipeline.policy.rbac_matrix import Row


class GrantedBy(msgspec.Struct, frozen=True):
    """A rule that is held: the binding, the role that it is written in, the how-manieth it is there from 1,
    and its file:line ("" in Kubernetes' own roles). All empty but `words` for the group system:masters."""

    binding: str
    role: str
    rule: int
    place: str
    words: str


class NeededPermission(msgspec.Struct, frozen=True):
    """A permission that is needed. `in_vain`: a rule that would grant it, if the verb had a name."""

    permission: str
    granted_by: GrantedBy | None
    in_vain: GrantedBy | None


class CanI(msgspec.Struct, frozen=True):
    """One answer. `tiers`: those asked about; of a list or watch that names none, those that it is narrowed
    to. `warnings`: bindings of the user's that grant nothing."""

    allowed: bool
    user: str
    groups: tuple[str, ...]
    verb: str
    policy: str
    tiers: tuple[str, ...]
    permissions: tuple[NeededPermission, ...]
    warnings: tuple[str, ...]


class MatrixRow(msgspec.Struct, frozen=True):
    """Verbs that somebody may do. `tier` "" where the kind has none, `namespace` "" in the whole cluster,
    `name` "" whatever it is called."""

    who: str
    kind: str
    tier: str
    namespace: str
    name: str
    verbs: tuple[str, ...]


class Matrix(msgspec.Struct, frozen=True):
    """All that was asked for."""

    rows: tuple[MatrixRow, ...]
    warnings: tuple[str, ...]


def can_i_report(
    rights: Rights, verb: Verb, target: Target, policy: str, tiers: Iterable[str], known: Iterable[Loaded]
) -> CanI:
    """The answer; a list or watch that names no tier is narrowed to those of `tiers` where it is allowed."""
    answers = [can_i(rights, verb, target)]
    asked = target.tiers
    if SERVED[target.kind].tiered and not asked:
        found = {
            tier: can_i(rights, verb, Target(target.kind, target.namespace, "", (tier,))) for tier in tiers
        }
        asked = tuple(tier for tier, answer in found.items() if answer.allowed)
        answers = [found[tier] for tier in asked or found]
    return CanI(
        allowed=any(answer.allowed for answer in answers),
        user=rights.who.user,
        groups=tuple(sorted(rights.who.groups)),
        verb=verb,
        policy=policy,
        tiers=asked,
        permissions=tuple(_permissions(answers, _placed(known))),
        warnings=warnings_of([rights]),
    )


def matrix_rows(rows: Iterable[Row]) -> tuple[MatrixRow, ...]:
    """Rows of a matrix in words."""
    return tuple(
        MatrixRow(str(row.who), row.kind, row.tier, row.namespace, row.name, row.verbs) for row in rows
    )


def warnings_of(rights: Iterable[Rights]) -> tuple[str, ...]:
    """Bindings that grant nothing, in words."""
    missing = dict.fromkeys(pair for each in rights for pair in each.missing)
    return tuple(
        f"{named(binding)} grants nothing: {named(role)} is not among the manifests"
        for binding, role in missing
    )


def _permissions(
    answers: Sequence[Answer], granted: Callable[[Grant | None], GrantedBy | None]
) -> Iterable[NeededPermission]:
    """Each permission once."""
    found = dict.fromkeys(permission for answer in answers for permission in answer.permissions)
    for each in found:
        yield NeededPermission(str(each), granted(each.grant), granted(each.in_vain))


def _placed(known: Iterable[Loaded]) -> Callable[[Grant | None], GrantedBy | None]:
    places = {key: place for loaded in known for key, place in loaded.places.items()}

    def granted(grant: Grant | None) -> GrantedBy | None:
        if grant is None:
            return None
        place = places.get(grant.role)
        where = f"{place.file}:{place.item.line_of(('rules', grant.index))}" if place else ""
        return GrantedBy(grant.binding, grant.role, grant.index + 1, where, str(grant))

    return granted

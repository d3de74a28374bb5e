"""What Kubernetes' RBAC allows whom: the rules that a user holds, and which of them grants a request."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from pipeline.policy.load import Loaded
from pipeline.policy.rbac_resources import CLUSTER_ROLE, DEFAULT_ROLES, Binding, RbacObject, RbacRule, Role
from pipeline.policy.rbac_resources import Subject as Bound

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
ANONYMOUS, UNAUTHENTICATED = "system:anonymous", "system:unauthenticated"
_ACCOUNT = "system:serviceaccount"

type _Written = tuple[str, int, RbacRule]  # the role that it is written in, where there, the rule


@dataclass(frozen=True, slots=True)
class Who:
    """A user with all groups, those that Kubernetes adds too."""

    user: str
    groups: frozenset[str]

    @classmethod
    def of(cls, user: str, groups: Iterable[str] = ()) -> Self:
        """The user with the groups, those of the service account that it may be
        (system:serviceaccount:NAMESPACE:NAME), and of who is authenticated or is not."""
        if user == ANONYMOUS:
            return cls(user, frozenset({*groups, UNAUTHENTICATED}))
        namespace = user.removeprefix(f"{_ACCOUNT}:").partition(":")[0]
        accounts = (f"{_ACCOUNT}s", f"{_ACCOUNT}s:{namespace}") if user.startswith(f"{_ACCOUNT}:") else ()
        return cls(user, frozenset({*groups, *accounts, AUTHENTICATED}))

    @classmethod
    def bound(cls, subject: Bound) -> Self:
        """Who a binding names; of a group somebody who is in no other one."""
        if subject == Bound("Group", UNAUTHENTICATED):
            return cls.of(ANONYMOUS)
        if subject.kind == "Group":
            return cls.of("", [subject.name])
        return cls.of(_user(subject))

    def is_bound(self, subject: Bound) -> bool:
        """Whether a binding of this subject is one of theirs."""
        return subject.name in self.groups if subject.kind == "Group" else _user(subject) == self.user

    def __str__(self) -> str:
        return self.user or f"group {', '.join(sorted(self.groups - {AUTHENTICATED}) or [AUTHENTICATED])}"


def _user(subject: Bound) -> str:
    account = subject.kind == "ServiceAccount"
    return f"{_ACCOUNT}:{subject.namespace}:{subject.name}" if account else subject.name


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: `namespace` "" is the whole cluster, `name` "" a request that has none, `resource`
    may have a subresource (tiers/status)."""

    verb: str
    group: str
    resource: str
    name: str = ""
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """A rule that somebody holds: through which binding ("" for system:masters, who need none), and in which
    role it is written, the how-manieth there from 0."""

    binding: str
    role: str
    index: int
    rule: RbacRule

    def __str__(self) -> str:
        if not self.binding:
            return f"the group {MASTERS}"
        return f"{named(self.binding)}, rule {self.index + 1} of {named(self.role)}"


_ANYTHING = Grant("", "", 0, RbacRule(("*",), ("*",), ("*",)))


def named(key: str) -> str:
    """A resource key as people say it: `RoleBinding shop/devs`, `ClusterRole view`."""
    kind, namespace, name = key.split("/", 2)
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def allows(rule: RbacRule, request: Request) -> bool:
    """Whether the rule allows the request, as Kubernetes compares them: `*` is everything, `*/x` subresource
    x of everything, and a rule with names allows nothing that has none."""
    return (
        _among(request.verb, rule.verbs)
        and _among(request.group, rule.groups)
        and _has_resource(rule, request.resource)
        and (not rule.names or request.name in rule.names)
    )


def _among(asked: str, given: tuple[str, ...]) -> bool:
    return asked in given or "*" in given


def _has_resource(rule: RbacRule, resource: str) -> bool:
    _, slash, subresource = resource.partition("/")
    return _among(resource, rule.resources) or (bool(slash) and f"*/{subresource}" in rule.resources)


@dataclass(frozen=True, slots=True)
class Rights:
    """All rules that somebody holds, by namespace ("" is the whole cluster); `missing` are bindings of theirs
    that grant nothing, since their roles are nowhere, with the roles' keys."""

    who: Who
    grants: Mapping[str, tuple[Grant, ...]]
    missing: tuple[tuple[str, str], ...] = ()

    def grant(self, request: Request) -> Grant | None:
        """The first rule held that allows the request; None where there is none."""
        if MASTERS in self.who.groups:
            return _ANYTHING
        namespaces = ("", request.namespace) if request.namespace else ("",)
        held = (grant for namespace in namespaces for grant in self.grants.get(namespace, ()))
        return next((grant for grant in held if allows(grant.rule, request)), None)


class Rbac:
    """Roles and bindings together; Kubernetes' own roles are there where nothing of their name is given."""

    def __init__(self, objects: Iterable[RbacObject]) -> None:
        found = list(objects)
        self.bindings = tuple(each for each in found if isinstance(each, Binding))
        self._written: dict[str, tuple[_Written, ...]] = {}
        self._roles = {each.key: each for each in (*DEFAULT_ROLES, *found) if isinstance(each, Role)}

    @property
    def roles(self) -> Iterable[Role]:
        """All of them, those that every Kubernetes has too."""
        return self._roles.values()

    @classmethod
    def of(cls, *loaded: Loaded) -> Self:
        """Raises ManifestError where an RBAC manifest cannot be used: who may do what is nothing to guess."""
        for each in loaded:
            each.require_rbac()
        return cls(resource.plain for each in loaded for resource in each.rbac)

    def rights_of(self, who: Who) -> Rights:
        """What they hold by all bindings that name them or a group of theirs."""
        grants = dict[str, list[Grant]]()
        missing = list[tuple[str, str]]()
        for binding in self.bindings:
            if not any(map(who.is_bound, binding.subjects)):
                continue
            if binding.role not in self._roles:
                missing.append((binding.key, binding.role))
                continue
            held = (Grant(binding.key, *rule) for rule in self._rules_of(binding.role))
            grants.setdefault(binding.namespace, []).extend(held)
        return Rights(who, {name: tuple(held) for name, held in grants.items()}, tuple(missing))

    def _rules_of(self, key: str) -> tuple[_Written, ...]:
        if key not in self._written:
            self._written[key] = tuple(self._rules(self._roles[key], set()))
        return self._written[key]

    def _rules(self, role: Role, seen: set[str]) -> Iterator[_Written]:
        """The rules of a role, or of those that it aggregates, which may aggregate each other: each once."""
        seen.add(role.key)
        if role.aggregates is None:
            yield from ((role.key, index, rule) for index, rule in enumerate(role.rules))
            return
        for other in self._cluster_roles:
            if other.key not in seen and any(each.matches(other.labels) for each in role.aggregates):
                yield from self._rules(other, seen)

    @cached_property
    def _cluster_roles(self) -> tuple[Role, ...]:
        return tuple(role for key, role in sorted(self._roles.items()) if key.startswith(f"{CLUSTER_ROLE}/"))

"""Policy hits of flow logs: both grammars read, the newer one written."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

from pipeline.policy.policies import PolicyKind

type HitKind = PolicyKind | Literal["pro"]
type HitAction = Literal["allow", "deny", "pass"]

PROFILE = "__PROFILE__"
END_OF_TIER = -1
UNKNOWN_RULE = -2


class HitError(ValueError):
    """A string that is no policy hit; says which part is wrong."""


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """One policy that took part in a verdict (CALICO.md §5.1).

    `rule` is the rule's index, `END_OF_TIER` for the tier's default action, or `UNKNOWN_RULE`.
    """

    index: int
    tier: str
    kind: HitKind
    namespace: str  # "" for cluster scope
    name: str
    action: HitAction
    rule: int

    @property
    def policy(self) -> str:
        """What was hit, as traces name it: `np:ns/name`, `gnp:name`, `pro:kns.ns`."""
        return f"{self.kind}:{self.namespace}/{self.name}" if self.namespace else f"{self.kind}:{self.name}"

    def __str__(self) -> str:
        return f"{self.index}|{self.tier}|{self.policy}|{self.action}|{self.rule}"


_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAME = r"[a-z0-9](?:[-.a-z0-9]*[a-z0-9])?"
_PROFILE_NAME = rf"(?:kns|ksa)\.{_NAME}|projectcalico-default-allow|__NO_MATCH__|{PROFILE}"
_HIT = re.compile(
    rf"(?P<index>\d+)\|(?P<tier>{_LABEL}|{PROFILE})\|(?P<policy>[^|]+)\|(?P<action>[^|]*)(?:\|(?P<rule>-?\d+))?"
)
_POLICY = re.compile(
    rf"(?P<global>gnp|sgnp|kcnp):(?P<global_name>{_NAME})"
    rf"|(?P<namespaced>np|knp|snp|sknp):(?P<namespace>{_LABEL})/(?P<name>{_NAME})"
    rf"|pro:(?P<profile>{_PROFILE_NAME})"
)
_OLD_POLICY = re.compile(
    rf"(?:(?P<namespace>{_LABEL})/)?"
    rf"(?:(?P<profiles>{PROFILE}\.(?P<profile>{_PROFILE_NAME}))|(?P<staged>staged:)?(?P<name>{_NAME}))"
)
_OLD_PREFIXES: dict[str, PolicyKind] = {"knp.": "knp", "kcnp.": "kcnp", "kanp.": "kcnp", "kbanp.": "kcnp"}


@lru_cache(maxsize=1 << 16)
def parse_hit(text: str) -> Hit:
    """Read one hit, in today's grammar (CALICO.md §5.1) or that before v3.32 (§5.2).

    An old name keeps its tier as a prefix, as those policies had to be called, but for the default
    tier's. HitError where `text` is no hit.
    """
    match = _HIT.fullmatch(text)
    if match is None:
        raise HitError(f"{text!r} is not of the form index|tier|policy|action|rule")
    index, tier, policy, action, rule = match.group("index", "tier", "policy", "action", "rule")
    kind, namespace, name = _read_policy(policy) or _read_old_policy(policy, tier)
    if (tier == PROFILE) != (kind == "pro"):
        raise HitError(f"{text!r} has a profile outside the tier {PROFILE}, or a policy in it")
    if action not in ("allow", "deny", "pass"):
        raise HitError(f"{text!r} has the action {action!r}, which is none of allow, deny, pass")
    return Hit(int(index), tier, kind, namespace, name, cast("HitAction", action), _rule_index(text, rule))


def _rule_index(text: str, rule: str | None) -> int:
    index = UNKNOWN_RULE if rule is None else int(rule)
    if index < UNKNOWN_RULE:
        raise HitError(f"{text!r} has the rule index {index}; the least is {UNKNOWN_RULE}")
    return index


def _read_policy(policy: str) -> tuple[HitKind, str, str] | None:
    match = _POLICY.fullmatch(policy)
    if match is None:
        return None
    if match["profile"]:
        return "pro", "", match["profile"]
    if match["global"]:
        return cast("HitKind", match["global"]), "", match["global_name"]
    return cast("HitKind", match["namespaced"]), match["namespace"], match["name"]


def _read_old_policy(policy: str, tier: str) -> tuple[HitKind, str, str]:
    match = _OLD_POLICY.fullmatch(policy.replace(f"{tier}.staged:", f"staged:{tier}.", 1))
    if match is None:
        raise HitError(f"{policy!r} is no policy of any kind")
    if match["profile"]:
        return "pro", "", match["profile"]
    namespace, staged, name = match["namespace"] or "", match["staged"], match["name"]
    for prefix, kind in _OLD_PREFIXES.items():
        if name.startswith(f"{prefix}{tier}."):
            return "sknp" if staged else kind, namespace, name.removeprefix(f"{prefix}{tier}.")
    plain: HitKind = "np" if namespace else "gnp"
    return _STAGED[plain] if staged else plain, namespace, name.removeprefix("default.")


_STAGED: dict[HitKind, HitKind] = {"np": "snp", "gnp": "sgnp"}


def render(hits: Iterable[Hit]) -> tuple[str, ...]:
    """The hits as today's flow logs write them, in the order given."""
    return tuple(map(str, hits))


def normalise(hits: Iterable[str]) -> tuple[str, ...]:
    """Hits of either grammar, in any order, as one trace: by index, in today's grammar. HitError."""
    return render(sorted(map(parse_hit, hits)))

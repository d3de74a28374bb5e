"""Policy hits of flow logs: both grammars read, the newer one written."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple, cast

from pipeline.policy.policies import PolicyKind

type HitKind = PolicyKind | Literal["pro"]
type HitAction = Literal["allow", "deny", "pass"]

PROFILE = "__PROFILE__"
END_OF_TIER = -1
UNKNOWN_RULE = -2


class HitError(ValueError):
    """A string that is no policy hit; says which part is wrong."""


class Hit(NamedTuple):
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

"""Policies that are made up, as documents: two revisions with four tiers, and what matched them."""

import random

from pipeline.edge_documents import HOUR_MS
from tests.dashboards.bundle import Json
from tests.dashboards.graphs.made import START, WORDS


def board(seed: int = 6) -> tuple[list[Json], list[Json]]:
    """The documents of two revisions' policies, the newer one being in force, and of their rules."""
    chance = random.Random(seed)
    policies: list[Json] = []
    for number, revision in enumerate(("0" * 64, "a1b2" * 16)):
        position = 0
        for place, (tier, count) in enumerate(
            (("security", 4), ("platform", 9), ("application", 34), ("default", 9))
        ):
            for row in range(count - (number == 0)):
                policies.append(_policy(revision, number, position, tier, place, row, chance))
                position += 1
    newest = [each for each in policies if each["revision_number"] == 1 and each["rules"]]
    rules = [_rule(each, chance) for each in newest if chance.random() < 0.7]
    return policies, rules


def _policy(
    revision: str, number: int, position: int, tier: str, place: int, row: int, chance: random.Random
) -> Json:
    staged = chance.random() < 0.25
    namespace = None if tier == "security" else f"team-{chance.choice(WORDS)}"
    name = f"{chance.choice(WORDS)}-{chance.choice(WORDS)}-{row}"
    kind = ("snp" if staged else "np") if namespace else ("sgnp" if staged else "gnp")
    denies = row % 8 == 7
    return {
        "@timestamp": START + number,
        "revision": revision,
        "revision_number": number,
        "source": "git",
        "commit": revision[:8],
        "position": position,
        "tier": tier,
        "tier_order": place * 100.0,
        "tier_position": row,
        "tier_default_action": "deny" if tier != "default" else "pass",
        "policy": f"{kind}:{namespace}/{tier}.{name}" if namespace else f"{kind}:{tier}.{name}",
        "kind": "NetworkPolicy",
        **({"namespace": namespace} if namespace else {}),
        "name": name,
        "order": row * 10.0,
        "staged": staged,
        **({"staged_action": "Set"} if staged else {}),
        "types": ["Ingress", "Egress"],
        "selector": "all()",
        "ingress_rules": 0 if denies else 1,
        "egress_rules": 0,
        "default_deny": denies,
        "rules": [] if denies else ['ingress 0: allow tcp from app == "web" to ports 80'],
        "applies_to_count": chance.randint(1, 40),
    }


def _rule(policy: Json, chance: random.Random) -> Json:
    return {
        "@timestamp": START,
        "namespace": policy.get("namespace", "-"),
        "direction": "ingress",
        "tier": policy["tier"],
        "policy": policy["policy"],
        "rule": 0,
        "staged": policy["staged"],
        "revision": policy["revision"],
        "hits": chance.choice((0, chance.randint(1, 90_000))),
        "possible_hits": chance.randint(0, 5),
        "connections": chance.randint(1, 90_000),
        "last_hit": START + chance.randint(0, 24 * HOUR_MS),
    }

"""What judging a flow class costs that was never seen before, by the number of policies that apply."""

import time
from ipaddress import ip_network
from statistics import median

import numpy as np

from pipeline.identity import Candidate, Identity, Side
from pipeline.match.cells import FlowClasses
from pipeline.match.evaluate import Evaluator
from pipeline.match.tables import Tables
from pipeline.policy.policies import EntityMatch, Policies, Policy, PolicyKey, Rule, Tier
from pipeline.policy.selector import parse

# Calico's own Go evaluator, enforced and pending with traces: µs a flow, on two cores of the same kind.
GO_MICROSECONDS = {10: 26, 100: 173, 1_000: 2_050}
CLASSES, SIDES, RUNS = 20_000, 500, 7


def policies(count: int) -> Policies:
    """`count` policies of 3 rules in 4 tiers that all apply, a tenth staged; only the last rule of all
    matches anything, so that every tier before is walked to its end."""
    tiers = tuple(Tier(f"tier-{n}", float(n), "pass" if n < 3 else "deny") for n in range(4))
    everyone = parse("all()")

    def policy(number: int) -> Policy:
        rules = tuple(
            Rule(
                "deny",
                destination=EntityMatch(
                    selector=parse(f"app == 'none-{number}-{n}'"), ports=((80 + n, 80 + n),)
                ),
                protocol=6,
            )
            for n in range(3)
        )
        if number == count - 1:
            rules = (*rules[:2], Rule("allow"))
        key = PolicyKey("sgnp" if number % 10 == 0 else "gnp", "", f"policy-{number:05}")
        tier = tiers[number * len(tiers) // count].name
        return Policy(key, tier, float(number), everyone, frozenset({"egress"}), (), rules)

    return Policies("benchmark", tiers, tuple(map(policy, range(count))))


def sides() -> list[Side]:
    """Pods that no two of are alike."""

    def side(number: int) -> Side:
        labels = (("app", f"app-{number}"), ("projectcalico.org/namespace", f"ns-{number % 20}"))
        identity = Identity("wep", labels, (), ("kns.ns",))
        return Side((Candidate(identity, (ip_network(f"10.0.{number // 250}.{number % 250}/32"),)),))

    return [side(number) for number in range(SIDES)]


def measure(count: int) -> float:
    """CPU µs per class, the median of several batches of new classes; rows are there already."""
    evaluator, known = Evaluator(Tables(policies(count), [], [])), sides()
    random = np.random.default_rng(count)
    costs = []
    for _ in range(RUNS):
        source, dest, port = (random.integers(0, high, CLASSES) for high in (SIDES, SIDES, 1 << 16))
        none = np.zeros(CLASSES, np.int64)
        classes = FlowClasses(source, dest, none + 6, none - 1, port, none, known)
        start = time.process_time()
        evaluator.evaluate("egress", classes)
        costs.append((time.process_time() - start) / CLASSES * 1e6)
    return median(costs)


def report() -> None:
    print("Judging flow classes never seen before: all scopes, traces, each staged policy's own effect")
    for count, go in GO_MICROSECONDS.items():
        cost = measure(count)
        compared = f"Calico's Go evaluator {go:>5} µs: 1 : {go / cost:.0f}"
        print(f"  {count:>5} policies of 3 rules: {cost:6.2f} µs a class, {compared}")

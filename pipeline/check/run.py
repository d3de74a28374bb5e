"""What was loaded ▸ everything found in it."""

from collections.abc import Sequence

from pipeline.check.findings import Found
from pipeline.check.known import known_of
from pipeline.check.registry import LINTS, REFUSED, TAKEN_OTHERWISE
from pipeline.check.subject import Subject, tiers_of
from pipeline.policy.load import Loaded
from pipeline.policy.policies import NetworkSet


def check(loaded: Loaded, facts: Sequence[Loaded] = ()) -> list[Found]:
    """What is wrong with the manifests, by file and line; `facts` are others that tell of the cluster.

    Lints look at a whole revision: where a manifest is refused they are left out.
    """
    found = [Found(REFUSED, problem) for problem in loaded.problems]
    found += [Found(TAKEN_OTHERWISE, problem) for problem in loaded.warnings]
    if not loaded.problems:
        subject = _subject(loaded, facts)
        found += [Found(lint, problem) for lint in LINTS for problem in lint.find(subject)]
    return sorted(found, key=lambda each: each.problem)


def _subject(loaded: Loaded, facts: Sequence[Loaded]) -> Subject:
    everything = (loaded, *facts)
    policies = [resource.plain for each in everything for resource in each.policies]
    sets = [plain for plain in policies if isinstance(plain, NetworkSet)]
    known = known_of((resource.plain for each in everything for resource in each.facts), sets)
    return Subject(loaded, known, tiers_of(everything))

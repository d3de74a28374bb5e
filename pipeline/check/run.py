"""What was loaded ▸ everything found in it."""

from collections.abc import Sequence

from pipeline.check.findings import Found
from pipeline.check.known import known_of
from pipeline.check.registry import LINTS, NOT_ALLOWED, REFUSED, TAKEN_OTHERWISE
from pipeline.check.subject import Subject, tiers_of
from pipeline.facts import Facts
from pipeline.policy.load import Loaded
from pipeline.policy.policies import NetworkSet
from pipeline.policy.rbac import Rbac, Who
from pipeline.policy.rbac_changes import refused_changes


def check(loaded: Loaded, facts: Sequence[Loaded] = (), clusters: Sequence[Facts] = ()) -> list[Found]:
    """What is wrong with the manifests; `facts` are others that tell of the cluster, `clusters` what is known
    of it otherwise.

    Lints look at a whole revision: where a manifest is refused they are left out.
    """
    found = [Found(REFUSED, problem) for problem in (*loaded.problems, *loaded.rbac_problems)]
    found += [Found(TAKEN_OTHERWISE, problem) for problem in loaded.warnings]
    if not loaded.problems:
        subject = subject_of(loaded, facts, clusters)
        found += [Found(lint, problem) for lint in LINTS for problem in lint.find(subject)]
    return found


def check_author(base: Loaded, head: Loaded, who: Who, rbac: Rbac | None = None) -> list[Found]:
    """What the author of `head` changes of `base` and may not, by `rbac` or else the RBAC of `base`; nothing
    where a manifest is refused: what it is to be nobody knows. Raises ManifestError where the RBAC cannot be
    used."""
    if head.problems or head.rbac_problems:
        return []
    return [Found(NOT_ALLOWED, each.problem) for each in refused_changes(base, head, who, rbac)]


def subject_of(loaded: Loaded, facts: Sequence[Loaded] = (), clusters: Sequence[Facts] = ()) -> Subject:
    """What lints look at; where a manifest is refused, asking for its policies raises ManifestError."""
    everything = (loaded, *facts)
    policies = [resource.plain for each in everything for resource in each.policies]
    sets = [plain for plain in policies if isinstance(plain, NetworkSet)]
    told = Facts.from_resources(resource.plain for each in everything for resource in each.facts)
    return Subject(loaded, known_of([told, *clusters], sets), tiers_of(everything))

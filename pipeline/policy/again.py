"""Revision after revision loaded by one loader: only what changed since the one before is read again."""

from collections import Counter
from collections.abc import Iterable, Mapping

from pipeline.policy.load import Loaded, load_texts


class Loader:
    """Loads texts as `load_texts` does, and remembers what each of them held."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bytes, Loaded]] = {}

    def load(self, texts: Mapping[str, bytes]) -> Loaded:
        """Everything in the texts, each with the name that problems call it by."""
        self._known = {name: (text, self._one(name, text)) for name, text in texts.items()}
        loaded = _together(one for _, one in self._known.values())
        # Which of two texts that hold the same resource is to blame, only reading them in a row tells.
        return loaded or load_texts(texts.items())

    def _one(self, name: str, text: bytes) -> Loaded:
        known = self._known.get(name)
        return known[1] if known and known[0] == text else load_texts([(name, text)])


def _together(parts: Iterable[Loaded]) -> Loaded | None:
    """What several texts held; None where two of them hold the same resource."""
    listed = list(parts)
    policies = {resource.key: resource for part in listed for resource in part.policies}
    if len(policies) < sum(len(part.policies) for part in listed):
        return None
    rbac = {resource.key: resource for part in listed for resource in part.rbac}
    if len(rbac) < sum(len(part.rbac) for part in listed):
        return None
    facts = {resource.key: resource for part in listed for resource in part.facts}
    return Loaded(
        policies=tuple(policies[key] for key in sorted(policies)),
        facts=tuple(facts[key] for key in sorted(facts)),
        problems=tuple(problem for part in listed for problem in part.problems),
        warnings=tuple(warning for part in listed for warning in part.warnings),
        passed_over=sum((part.passed_over for part in listed if part.passed_over), Counter()),
        rbac=tuple(rbac[key] for key in sorted(rbac)),
        rbac_problems=tuple(problem for part in listed for problem in part.rbac_problems),
    )

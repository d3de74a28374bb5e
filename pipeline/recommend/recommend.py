"""What is known of some namespaces ▸ recommendations, in one function: propose ▸ render ▸ status ▸ score."""

from collections.abc import Mapping

from pipeline.facts import Facts
from pipeline.policy.policies import Policies
from pipeline.recommend.learned import Learned
from pipeline.recommend.recommendation import Decision, Options, Recommendation


def recommend(
    known: Mapping[str, Learned],
    policies: Policies,
    facts: Facts,
    options: Options,
    decisions: Mapping[str, Decision],
) -> list[Recommendation]:
    """The recommendations for the namespaces of `known`, ordered by name."""
    raise NotImplementedError

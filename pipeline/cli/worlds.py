"""The facts beside policies: those that were asked for, with those that the policies' own source holds."""

import pickle
from collections.abc import Iterable, Iterator, Sequence
from math import inf

from pipeline.cli.in_force import InForce
from pipeline.cli.sources import IN_FORCE, Source, read_source
from pipeline.facts import Facts
from pipeline.policy.facts_resources import Fact, Pod
from pipeline.policy.resources import Resource

FACTS_HELP = (
    "What is known of the cluster (pods, namespaces, …): manifests, or `cluster` for what was published, with"
    " its lifetimes. May be repeated."
)


def read_facts(asked: Sequence[str], in_force: InForce, *, of_cluster: bool) -> Facts:
    """The facts of all the sources that are asked for; of none, those in force where it is `of_cluster`: what
    else is asked about comes from there."""
    names = asked or ((IN_FORCE,) if of_cluster else ())
    facts = in_force.facts() if IN_FORCE in names else Facts()
    for name in names:
        if name != IN_FORCE:
            loaded = read_source(name, in_force).loaded
            loaded.require()
            _lay_over(facts, loaded.facts)
    return facts


def beside_each(sources: Iterable[Source], facts: Facts) -> Iterator[tuple[Source, Facts]]:
    """Each source with the facts, and with those that its own manifests hold in the place of what is known of
    the same. Sources that hold the same share one object, which says that nothing differs."""
    made: list[tuple[dict[str, Fact], Facts]] = [({}, facts)]
    for source in sources:
        own = {resource.key: resource.plain for resource in source.loaded.facts}
        known = next((one for held, one in made if held == own), None)
        if known is None:
            known = pickle.loads(pickle.dumps(facts))  # noqa: S301 - our own; a deep copy takes many times as long
            _lay_over(known, source.loaded.facts)
            made.append((own, known))
        yield source, known


def _lay_over(facts: Facts, own: Iterable[Resource[Fact]]) -> None:
    for resource in own:
        fact = resource.plain
        since, until = -inf, inf
        if isinstance(fact, Pod):
            since = -inf if fact.created is None else fact.created
            until = inf if fact.deleted is None else fact.deleted
        facts.remember(fact, since, until)

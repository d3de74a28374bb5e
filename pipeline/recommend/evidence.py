"""The rules of a proposal in words, with what was seen of each and what may be wrong with it."""

from collections.abc import Iterator, Mapping

from pipeline.recommend.learn import HOURS_A_DAY
from pipeline.recommend.learned import NONE, EdgeKey, Seen
from pipeline.recommend.proposal import WITH_PORTS, Proposal, ProposedRule
from pipeline.recommend.recommendation import Evidence, RuleEvidence
from pipeline.recommend.words import hour_says, protocol_name

_RARE_HOURS = 2
_ENOUGH_HOURS = 12


def evidence_of(proposal: Proposal, hours: int, days: int) -> Iterator[RuleEvidence]:
    """Each rule, where its namespace was seen in so many hours of so many days."""
    for direction in proposal.types:
        own = [rule for rule in proposal.rules if rule.direction == direction]
        for index, rule in enumerate(own):
            evidence = _evidence(rule.seen)
            yield RuleEvidence(
                direction,
                index,
                _says(rule),
                rule.peer.kind if rule.peer else "any",
                evidence,
                _widening(rule),
                _risk(rule.seen, hours, days),
            )


def _says(rule: ProposedRule) -> str:
    name = "any" if rule.protocol == NONE else protocol_name(rule.protocol)
    ports = ""
    if rule.ports:
        last = "" if rule.ports.first == rule.ports.last else f"…{rule.ports.last}"
        ports = f"/{rule.ports.first}{last}"
    way = "from" if rule.direction == "ingress" else "to"
    return f"{rule.action} {name}{ports} {way} {rule.peer or 'anyone'}"


def _widening(rule: ProposedRule) -> str | None:
    """What a rule admits beyond what was seen, of peers and of ports."""
    if not rule.seen:
        return None
    told = [rule.peer.widening] if rule.peer and rule.peer.widening else []
    if rule.protocol == NONE:
        told.append("no protocol was logged: admits every one")
    elif any(key.port == NONE for key in rule.seen) and rule.protocol in WITH_PORTS:
        told.append("no port was logged: admits every one")
    if rule.ports and rule.ports.more:
        told.append(f"admits {rule.ports.more:,} ports that were not seen")
    return "; ".join(told) or None


def _evidence(seen: Mapping[EdgeKey, Seen]) -> Evidence | None:
    if not seen:
        return None
    hours = {hour for each in seen.values() for hour in each.hours}
    first, last = min(each.first for each in seen.values()), max(each.last for each in seen.values())
    return Evidence(
        sum(each.started for each in seen.values()),
        sum(each.bytes for each in seen.values()),
        first[0],
        last[0],
        len(hours),
        len({hour // HOURS_A_DAY for hour in hours}),
        sorted({id_ for _, id_ in (first, last) if id_}),
    )


def _risk(seen: Mapping[EdgeKey, Seen], hours: int, days: int) -> str | None:
    """Why traffic that a rule is for may come at times that were not seen (DESIGN.md §6, 7)."""
    own = sorted({hour for each in seen.values() for hour in each.hours})
    if not own:
        return None
    own_days = {hour // HOURS_A_DAY for hour in own}
    when = hour_says(own[0])
    if len(own) <= _RARE_HOURS and hours >= _ENOUGH_HOURS:
        return f"seen in {len(own)} of {hours} hours only, first {when}: whether it comes again is not known"
    if len(own_days) == 1 and days > 1:
        return f"seen on one day of {days} only, {when[:10]}"
    return None

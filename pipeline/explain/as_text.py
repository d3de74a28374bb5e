"""An explanation as people read it: ends, verdicts, then tier by tier, policy by policy, rule by rule."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console
from rich.text import Text

from pipeline.explain.report import AtEnd, EndSaid, Explanation, UnderRevision, VerdictSaid
from pipeline.match.explained import (
    Explained,
    PartExplained,
    PolicyExplained,
    RuleExplained,
    ScopeName,
    TierExplained,
    WayExplained,
)

COLOURS = {"allow": "green", "deny": "red", "unknown": "yellow", "pass": "cyan", "log": ""}
MATCHES = {"yes": ("✓ matches", "green"), "no": ("✗", ""), "depends": ("? depends", "yellow")}
SHOWN_LABELS = ("pcns.", "pcsa.", "projectcalico.org/")  # what labels begin with that are not shown
SHOWN = 8  # policies that do not select the endpoint

type Line = tuple[int, Text]  # how deep, what


def render(found: Explanation, console: Console, *, everything: bool) -> None:
    """Print it; `everything`: rules that are not reached and all policies that select somebody else too."""
    for number, revision in enumerate(found.revisions):
        if number:
            console.print()
        for depth, text in _revision(revision, everything):
            indented = Text("  " * depth).append_text(text)
            console.print(indented, soft_wrap=True, highlight=False)
    if len(found.revisions) > 1:
        console.print()
        for line in _turned(*found.revisions):
            console.print(line, soft_wrap=True, highlight=False)


def _turned(base: UnderRevision, head: UnderRevision) -> Iterator[Text]:
    """What each scope did at each end, and does."""
    for before, after in zip(base.ends, head.ends, strict=True):
        for scope, verdict in before.verdicts.items():
            was, now = verdict.action, after.verdicts[scope].action if scope in after.verdicts else "none"
            if was != now:
                yield Text(f"{before.direction} {scope}: {was} ▸ {now}", "bold")
    if all(b.verdicts == a.verdicts for b, a in zip(base.ends, head.ends, strict=True)):
        yield Text("both decide the same, by the same rules")


def _revision(revision: UnderRevision, everything: bool) -> Iterator[Line]:
    yield 0, Text(f"{revision.name} (revision {revision.revision[:12]})", "bold")
    for end in revision.ends:
        own, peer = (
            (end.source, end.destination) if end.direction == "egress" else (end.destination, end.source)
        )
        arrow = "to" if end.direction == "egress" else "from"
        yield 0, Text()
        yield 0, Text(f"{end.direction} at {own.name}, {arrow} {peer.name}", "bold")
        if end.unjudged:
            yield 1, Text(f"not judged: {end.unjudged}")
        if end.explained:
            yield from _ends(own, peer)
            yield from _verdicts(end)
            yield from _explained(end.explained, everything)


def _ends(own: EndSaid, peer: EndSaid) -> Iterator[Line]:
    for end in (own, peer):
        labels = [f"{k}={v}" for k, v in end.labels.items() if not k.startswith(SHOWN_LABELS)]
        several = f" any of {end.candidates}" if end.candidates > 1 else ""
        words = [*labels, *(f"port {port}" for port in end.ports), *end.addresses[:3]]
        yield 1, Text(f"{end.name}{several}: {', '.join(words) or 'nothing is known of it'}", "dim")


def _verdicts(end: AtEnd) -> Iterator[Line]:
    for scope, verdict in end.verdicts.items():
        line = Text(f"{scope:<9} ")
        line.append(f"{verdict.action:<8}", COLOURS[verdict.action])
        yield 1, line.append(_decided(verdict))
    if end.impact not in ("none", "unknown"):
        yield 1, Text(f"promoted, it is {end.impact.replace('_', ' ')}", "bold")
    for word, policies in (("deny", end.staged_deny), ("allow", end.staged_allow)):
        if policies:
            yield 1, Text(f"would {word} it, promoted alone: {', '.join(policies)}")
    if end.missing:
        yield 1, Text(f"missing: {', '.join(end.missing)}", "yellow")
    if end.explained:
        yield from (line for way in end.explained.ways for line in _way(way))
        if end.explained.bounded:
            tried = end.explained.completions
            yield 1, Text(f"more can be missing than is tried here ({tried:,} completions)", "yellow")


def _decided(verdict: VerdictSaid) -> str:
    if verdict.policy is None:
        return ""
    if verdict.policy.startswith("pro:"):
        return f"no tier decides; profile {verdict.policy.removeprefix('pro:')}"
    if verdict.rule is None or verdict.tier is None:
        return f"by {verdict.policy}: what a host sends to its own pods is not policed"
    rule = f"rule {verdict.rule}" if verdict.rule >= 0 else "no rule matched: the tier's default"
    return f"tier {verdict.tier}, {verdict.policy}, {rule}"


def _way(way: WayExplained) -> Iterator[Line]:
    actions = ", ".join(f"{scope} {action}" for scope, action in way.actions.items())
    example = ", ".join(f"{key} {value or 'none'}" for key, value in way.example.items())
    ways = "way" if way.count == 1 else "ways"
    yield 2, Text(f"? {way.count:,} {ways}: {actions}; as with {example}", "yellow")


def _explained(explained: Explained, everything: bool) -> Iterator[Line]:
    for tier in explained.tiers:
        yield 1, _tier(tier)
        for policy in tier.policies:
            yield from _policy(policy, everything)
    if not any(tier.policies for tier in explained.tiers):
        yield 1, Text("no policy selects it")
    if explained.profile:
        yield 1, Text(f"profile {explained.profile}: allows what no tier decides")
    yield from _others(explained.others, everything)


def _tier(tier: TierExplained) -> Text:
    order = "" if tier.order is None else f", order {tier.order:.12g}"
    results = [f"{scope} {' or '.join(actions)}" for scope, actions in tier.results.items()]
    said = f": {'; '.join(results)}" if results else ": not reached"
    return Text(f"tier {tier.tier}{order}, default {tier.default_action}{said}", "bold")


def _policy(policy: PolicyExplained, everything: bool) -> Iterator[Line]:
    staged = f", staged {policy.staged_action}" if policy.staged_action else ""
    none = "takes its twin away when promoted" if policy.staged_action == "Delete" else "in no scope"
    line = Text(f"{policy.policy}{staged} [{' '.join(policy.scopes) or none}]")
    if policy.selects == "depends":
        line.append(f" ? may select it: {policy.selector}, has {' or '.join(policy.has)}", "yellow")
    yield 2, line
    unreached = 0
    for rule in policy.rules:
        if rule.reached or everything:
            yield from _rule(rule)
        else:
            unreached += 1
    if not policy.rules:
        yield 3, Text("· it has no rules of this direction", "dim")
    if unreached:
        yield 3, Text(f"· {unreached} {'rule is' if unreached == 1 else 'rules are'} not reached", "dim")
    if policy.ends:
        yield 3, Text(f"→ no rule of the tier matches: its default ({' '.join(policy.ends)})", "bold")


def _rule(rule: RuleExplained) -> Iterator[Line]:
    word, colour = MATCHES[rule.matches]
    line = Text(f"{rule.rule} ").append(word, colour)
    line.append(f" {rule.says}" + ("" if rule.reached else " (not reached)"))
    if rule.decides:
        line.append(f" → decides {_scopes(rule.decides)}: {rule.action}", f"bold {COLOURS[rule.action]}")
    yield 3, line
    for part in rule.parts:
        if part.holds != "yes":
            yield 5, _part(part)


def _part(part: PartExplained) -> Text:
    mark = "✗" if part.holds == "no" else "?"
    return Text(f"{mark} {part.part}: asks {part.asks}; has {' or '.join(part.has)}", "dim")


def _scopes(scopes: Sequence[ScopeName]) -> str:
    return " ".join(scopes)


def _others(others: Sequence[PolicyExplained], everything: bool) -> Iterator[Line]:
    if not others:
        return
    shown: Iterable[PolicyExplained] = others if everything else others[:SHOWN]
    yield 1, Text(f"{len(others):,} policies of this direction do not select it", "bold")
    for policy in shown:
        yield 2, Text(f"✗ {policy.policy}: {policy.selector}; has {' or '.join(policy.has)}", "dim")
    if not everything and len(others) > SHOWN:
        yield 2, Text(f"… and {len(others) - SHOWN:,} more: --all", "dim")

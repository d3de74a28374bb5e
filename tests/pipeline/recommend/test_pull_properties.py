"""Whatever both sides do to a policy's rules, a pull merges them as this test's own, simpler merge says."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.recommend.pull import pull
from pipeline.recommend.render import to_yaml

type Rules = dict[str, frozenset[int]]  # ports by peer

NONE: frozenset[int] = frozenset()
PORTS = st.frozensets(st.integers(1, 4), min_size=1)
RULES = st.dictionaries(st.sampled_from("abcde"), PORTS)
SIDES = st.tuples(RULES, RULES, RULES)  # before, by hand, recommended


def manifest(rules: Rules) -> dict[str, Any]:
    egress = [
        {"action": "Allow", "destination": {"selector": f"app == '{peer}'", "ports": sorted(ports)}}
        for peer, ports in rules.items()
    ]
    said = {"selector": "app == 'x'", "types": ["Egress"], **({"egress": egress} if egress else {})}
    return {
        "apiVersion": "projectcalico.org/v3",
        "kind": "StagedNetworkPolicy",
        "metadata": {"name": "x", "namespace": "n"},
        "spec": said,
    }


def rules_of(text: str) -> list[tuple[str, frozenset[int]]]:
    """Read without the help of what is tested: peers and ports, line by line."""
    found: list[tuple[str, set[int]]] = []
    for line in text.partition("egress:")[2].splitlines():
        if "app == " in line:
            found.append((line.partition("app == ")[2][1], set()))
        elif line.strip(" -").partition(" ")[0].isdecimal():
            found[-1][1].add(int(line.strip(" -").partition(" ")[0]))
    return sorted(((peer, frozenset(ports)) for peer, ports in found), key=repr)


def expected(before: Rules, by_hand: Rules, recommended: Rules) -> list[tuple[str, frozenset[int]]] | None:
    """The rules of the merged policy; None for a conflict."""
    merged: list[tuple[str, frozenset[int]]] = []
    for peer in {*before, *by_hand, *recommended}:
        wanted = of_peer(*(side.get(peer, NONE) for side in (before, by_hand, recommended)))
        if wanted is None:
            return None
        merged += [(peer, ports) for ports in wanted if ports]
    return sorted(merged, key=repr)


def of_peer(
    base: frozenset[int], ours: frozenset[int], theirs: frozenset[int]
) -> list[frozenset[int]] | None:
    """A rule that shares no port with the one before is another rule; none: there is no rule."""
    if theirs in (base, ours):
        return [ours]
    if ours == base:
        return [theirs]
    if base & ours and base & theirs:
        both = (ours & theirs) | (ours - base) | (theirs - base)
        return [both] if both else None  # no ports would be all ports
    return None if base & (ours | theirs) else [ours, theirs]


def pulled(before: Rules, by_hand: str, recommended: Rules) -> tuple[str, str]:
    """What was done with the file, and what is in it."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "n" / "x.yaml"
        pull(Path(folder), [manifest(before)])
        file.write_text(by_hand)
        (step,) = pull(Path(folder), [manifest(recommended)])
        text = file.read_text()
        (again,) = pull(Path(folder), [manifest(recommended)])
        assert (again.writes, file.read_text()) == ({}, text)
        assert again.failed == step.failed
        return step.word, text


@settings(deadline=None)
@given(SIDES)
def test_rules_and_ports_of_both_sides_are_merged_or_in_conflict(sides):
    before, by_hand, recommended = sides
    text = to_yaml(manifest(by_hand))
    word, merged = pulled(before, text, recommended)
    # A side that has no rules at all, where the other changed some, gives up the list as a whole.
    given_up = [] in [[*by_hand], [*recommended]] and before
    wanted = expected(before, by_hand, recommended)
    if word == "conflict":
        assert merged == text
        # Nor is a policy made of which each side has taken away what the other kept: no rules deny all.
        assert not wanted or given_up
    else:
        assert rules_of(merged) == wanted


@settings(deadline=None)
@given(SIDES, st.sets(st.sampled_from("abcde")), st.sampled_from(["# above\n", "behind"]))
def test_comments_stay_at_their_rules_or_there_is_a_conflict(sides, commented, where):
    before, by_hand, recommended = sides
    lines: list[str] = []
    for line in to_yaml(manifest(by_hand)).splitlines():
        peer = line.partition("app == ")[2][1:2]
        lines.append(f"{line}  # note {peer}" if peer in commented else line)
    text = "\n".join(lines) + "\n"
    word, merged = pulled(before, text, recommended)
    notes = [line for line in text.splitlines() if "# note" in line and line.strip()]
    assert [line for line in merged.splitlines() if "# note" in line] == notes
    if word == "conflict":
        assert merged == text

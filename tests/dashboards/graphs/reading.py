"""What a picture says, and whether it can be read: texts that cover each other, or that leave the panel."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from tests.dashboards.graphs.browser import Graph
from tests.dashboards.graphs.counting import WORDS, Between, Count

type Said = tuple[int, int, str, list[list[int]]]  # connections, bytes, worst verdict, connections by verdict
type Box = Sequence[float]  # left, top, right, bottom

_CLOSE = 2  # pixels of a line's height that hold nothing


def overlaps(boxes: Sequence[Box]) -> list[tuple[Box, Box]]:
    return [pair for pair in combinations(boxes, 2) if _overlap(*pair)]


def outside(boxes: Sequence[Box], size: tuple[int, int]) -> list[Box]:
    width, height = size
    return [each for each in boxes if each[0] < 0 or each[1] < 0 or each[2] > width or each[3] > height]


def _overlap(one: Box, other: Box) -> bool:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return across > _CLOSE and down > _CLOSE


def drawn(graph: Graph) -> dict[Between, Said]:
    """What the edges of a service graph say."""
    return {
        (each["from_label"], each["to_label"]): (
            each["connections"],
            each["bytes"],
            WORDS[each["worst"]],
            [[each[f"s{rank}"], each[f"d{rank}"]] for rank in range(len(WORDS))],
        )
        for each in graph.marks("link")
    }


def expected(counted: Mapping[Between, Count]) -> dict[Between, Said]:
    """What they must say: what stays inside of a node is no edge."""
    return {
        between: (each.connections, each.bytes, each.worst, list(each.by.values()))
        for between, each in counted.items()
        if between[0] != between[1]
    }

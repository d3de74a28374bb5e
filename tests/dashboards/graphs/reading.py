"""Whether a picture can be read: boxes of texts that cover each other, or that leave the panel."""

from collections.abc import Sequence
from itertools import combinations

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

"""The colours of verdicts can be told apart by the colour-blind, and nothing is said by colour alone."""

import json
from itertools import combinations

import numpy as np
import pytest

from tests.dashboards.graphs.browser import SPECS, answered
from tests.dashboards.graphs.counting import WORDS

# Machado, Oliveira and Fernandes (2009): what is left of linear RGB where one kind of cone is missing.
SIGHT = {
    "whole": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}
TO_XYZ = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.119192, 0.9503041],
]
WHITE = [0.95047, 1, 1.08883]
NOTICED = 2.3  # the least distance in CIELAB that is noticed


def lab(colour, sight):
    """A colour in CIELAB, as one with this sight sees it."""
    rgb = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(TO_XYZ @ np.clip(SIGHT[sight] @ linear, 0.01, 1) / WHITE)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def signals(name):
    spec = json.loads((SPECS / f"{name}.json").read_text())
    return {each["name"]: each["value"] for each in spec["signals"] if "value" in each}


@pytest.mark.parametrize("name", ["service-graph", "flowviz"])
@pytest.mark.parametrize("sight", SIGHT)
def test_no_two_verdicts_look_alike(name, sight):
    colours = signals(name)["colors"]
    near = {
        pair: np.linalg.norm(lab(pair[0], sight) - lab(pair[1], sight)) for pair in combinations(colours, 2)
    }
    assert len(near) == 10
    assert min(near.values()) > 3 * NOTICED


@pytest.mark.parametrize("name", ["service-graph", "flowviz"])
def test_each_verdict_has_a_dash_and_a_word_of_its_own(name):
    said = signals(name)
    assert tuple(said["words"]) == WORDS
    assert len({tuple(each) for each in said["dashes"]}) == len(WORDS)


@pytest.mark.parametrize("name", ["service-graph", "flowviz"])
def test_the_legend_says_each_word(graph, client, nasty, name):
    graph.show(answered(name, client, nasty))
    assert set(graph.texts("legend_word")) == set(WORDS)

"""Random words: each purpose has its own, and there is one place that makes them."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from dgrad import nn
from dgrad.core import stream
from dgrad.data import make_moons, permutation, split
from dgrad.errors import ParameterError
from dgrad.randomness import Purpose, philox

ROOT = Path(__file__).parents[1] / "dgrad"
LARGEST = 2**64 - 1


def test_no_two_purposes_share_a_word() -> None:
    words = [
        philox(seed, purpose, place, number).random_raw(2000)
        for purpose in Purpose
        for seed, place, number in [(0, 0, 0), (0, 1, 0), (0, 0, 1), (0, LARGEST, 0), (1, 0, 0)]
    ]
    assert len(np.unique(np.concatenate(words))) == 2000 * len(words)


def test_weights_and_orders_of_one_seed_are_drawn_from_different_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[tuple[int, ...]] = []
    real = np.random.Philox

    def record(*, key: int, counter: np.ndarray) -> np.random.Philox:
        made.append((key, *counter.tolist()))
        return real(key=key, counter=counter)

    monkeypatch.setattr(np.random, "Philox", record)
    with stream.at(0):
        nn.Linear(3, 2)
    with stream.at(0, Purpose.STEP):
        nn.Dropout(0.5)(np.ones(3))
    permutation(9, seed=0, epoch=0)
    split(np.zeros(9), val=0.5, test=0, seed=0)
    make_moons(9, seed=0)
    assert len(made) == len(set(made)) >= 6
    assert {each[4] for each in made} == set(Purpose)


@pytest.mark.parametrize(
    ("purpose", "words"),
    [
        (Purpose.INIT, [17224543832666973655, 7201471728553250725]),
        (Purpose.STEP, [12219508911059832398, 17188035296609076471]),
        (Purpose.SHUFFLE, [7594447830096956662, 17840473206221988626]),
        (Purpose.SPLIT, [11406835104188477888, 13760865158473373530]),
        (Purpose.GENERATE, [16985461054173952167, 6513932266793213740]),
    ],
)
def test_the_words_are_the_same_in_every_version(purpose: Purpose, words: list[int]) -> None:
    assert philox(1, purpose, 2, 3).random_raw(2).tolist() == words


@pytest.mark.parametrize("wrong", [-1, 2**64])
@pytest.mark.parametrize("place", range(3))
def test_words_out_of_range_are_refused(wrong: int, place: int) -> None:
    seed, at, number = (wrong if i == place else 0 for i in range(3))
    with pytest.raises(ParameterError, match=r"must be from 0 to 2\^64 - 1, got"):
        philox(seed, Purpose.STEP, at, number)


def test_no_other_file_makes_words_of_its_own() -> None:
    for file in ROOT.rglob("*.py"):
        nodes = ast.walk(ast.parse(file.read_text("utf-8")))
        names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        assert "Philox" not in names or file.name == "randomness.py", file

"""exact_match of a model that answers token by token: as many as greedy decoding gets right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dgrad import no_grad
from dgrad.config import document
from dgrad.config.document import load
from dgrad.config.experiment import Experiment
from dgrad.core.tensor import Tensor
from dgrad.data import IGNORED
from dgrad.nn.module import evaluating
from tests.toys import forgetting

ADDITION = Path(__file__).parents[2] / "configs" / "addition_gpt.yaml"
SMALL = [
    *("data.addition.digits=1", "data.addition.rows=100"),
    *("data.split.val=0.1", "data.split.test=0.1"),
    *("train.epochs=30", "train.batch_size=8"),
]


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """Here the shipped components are meant, not those of conftest."""
    document.register_shipped()
    with forgetting():
        yield


def answers(model: Any, questions: np.ndarray, length: int) -> np.ndarray:
    """The likeliest token, `length` times, each seen by the next. (n, t) -> (n, length)."""
    tokens = questions
    with evaluating(model), no_grad():
        for _ in range(length):
            likeliest = model(Tensor(tokens)).data[:, -1].argmax(axis=1)
            tokens = np.concatenate([tokens, likeliest[:, None]], axis=1)
    return tokens[:, questions.shape[1] :]


def answered(trainer: Any, split: str) -> np.ndarray:
    """Whether each row's answer comes out right, written digit by digit. (n,) booleans."""
    examples = trainer.splits[split]
    start = int((examples.targets[0] == IGNORED).sum())  # where the answer's first token is asked
    wanted = examples.targets[:, start:]
    found = answers(trainer.model, examples.inputs[:, : start + 1], wanted.shape[1])
    return np.all(found == wanted, axis=1)


def test_exact_match_is_the_share_that_greedy_decoding_gets_right() -> None:
    trainer = Experiment.build(load(ADDITION, SMALL)).trainer
    assert trainer.fit() == "done"
    right = {split: answered(trainer, split) for split in ("train", "val", "test")}
    assert 0 < right["train"].mean() < 1, "a model that is never or always right tells nothing"
    for split, each in right.items():
        assert trainer.evaluate(split)["exact_match"] == each.mean()

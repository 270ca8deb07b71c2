"""Models of token sequences from a config: they learn a text that repeats itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dgrad.config import document
from dgrad.config.document import load
from dgrad.config.experiment import Experiment
from dgrad.core.tensor import Tensor
from dgrad.train.trainer import Trainer
from tests.toys import forgetting

CONFIG = """\
data:
  text: {path: text.txt, context: 6}
  split: {val: 0.2, mode: contiguous}
loss: cross_entropy
optimizer: {adam: {lr: 0.02}}
train: {epochs: 4, batch_size: 16}
model:
  layers:
"""
MODELS = {
    "gpt": """
    - {embedding: 16, id: tokens}
    - position_embedding
    - repeat:
        times: 2
        layers:
          - residual: [layer_norm, {self_attention: {num_heads: 2, causal: true}}]
          - residual: [layer_norm, {linear: 32}, gelu, {linear: 16}]
    - layer_norm
    - {linear: {out_features: $data.vocab, bias: false}, tie: tokens}
""",
    "blocks with rotary positions": """
    - embedding: 16
    - transformer_block: {nhead: 2, dim_feedforward: 32, dropout: 0.0, causal: true, rotary: true}
    - linear: $data.vocab
""",
    "gru": """
    - embedding: 16
    - gru: 24
    - linear: $data.vocab
""",
    "lstm of two layers": """
    - embedding: 16
    - lstm: {hidden_size: 24, num_layers: 2}
    - linear: $data.vocab
""",
    "masks and lengths": """
    - embedding: 16
    - {sinusoidal_position_embedding, id: words}
    - {padding_mask: 0, from: input, id: mask}
    - {self_attention: {num_heads: 2, causal: true}, from: [words, mask], id: seen}
    - {cross_attention: 2, from: [seen, words, mask]}
    - {add, from: [previous, words], id: both}
    - {lengths: 0, from: input, id: ends}
    - {rnn: 24, from: [both, ends]}
    - linear: $data.vocab
""",
}


@pytest.fixture(autouse=True)
def _components() -> Iterator[None]:
    """Here the shipped components are meant, not those of conftest."""
    document.register_shipped()
    with forgetting():
        yield


def built(folder: Path, model: str) -> Trainer:
    (folder / "text.txt").write_text("one two three four " * 40)
    (folder / "run.yaml").write_text(CONFIG + model.lstrip("\n"))
    return Experiment.build(load(folder / "run.yaml")).trainer


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_model_of_tokens_learns_from_a_config(model: str, tmp_path: Path) -> None:
    trainer = built(tmp_path, model)
    before = trainer.evaluate("val")["loss"]
    assert trainer.fit() == "done"
    assert trainer.evaluate("val")["loss"] < before / 2


@pytest.mark.parametrize("name", [name for name in MODELS if name != "masks and lengths"])
def test_a_language_model_does_not_see_what_it_predicts(name: str, tmp_path: Path) -> None:
    model = built(tmp_path, MODELS[name]).model.eval()
    tokens = np.random.default_rng(0).integers(0, 10, size=(1, 6))
    logits = model(Tensor(tokens)).data
    for step in range(1, 6):
        other = tokens.copy()
        other[:, step] = (other[:, step] + 1) % 10
        changed = model(Tensor(other)).data != logits
        assert not changed[:, :step].any()
        assert changed[:, step].any()

"""configs/tabular_regression.yaml beside scikit-learn's MLPRegressor: test error on the same rows.

Run by `python -m benchmarks.tabular`. Both get the same training rows, standardised alike, the same
hidden sizes, epochs and batch size. dgrad runs the config as it is: AdamW, a cosine schedule, SiLU,
the best of its evaluations on the validation rows. MLPRegressor runs to the last epoch with its own
defaults (Adam at a constant 0.001, ReLU, alpha 0.0001), and again with other rates and activations:
the best row is the one to compare with.
"""

from __future__ import annotations

import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.neural_network import MLPRegressor

from dgrad import nn
from dgrad.config.document import load
from dgrad.config.experiment import Experiment
from dgrad.train.run_directory import RunDirectory

CONFIG = Path(__file__).resolve().parents[1] / "configs" / "tabular_regression.yaml"
SEEDS = (0, 1, 2)
PEERS: dict[str, dict[str, Any]] = {
    "MLPRegressor, its defaults": {},
    "MLPRegressor, tanh": {"activation": "tanh"},
    "MLPRegressor, lr 0.01": {"learning_rate_init": 0.01},
    "MLPRegressor, tanh, lr 0.01": {"activation": "tanh", "learning_rate_init": 0.01},
    "MLPRegressor, lr 0.01, alpha 1": {"learning_rate_init": 0.01, "alpha": 1.0},
}
Result = tuple[float, float, float]


def dgrad_result(experiment: Experiment, folder: Path) -> Result:
    """Test RMSE and R2 of the run that `dgrad train` makes, and its CPU seconds."""
    begun = time.process_time()
    with RunDirectory.create_at(folder, keep=1) as directory:
        found = experiment.run(directory, [])
    return found.results["rmse"], found.results["r2"], time.process_time() - begun


def peer_result(experiment: Experiment, seed: int, arguments: dict[str, Any]) -> Result:
    """The same of MLPRegressor on the same rows."""
    splits, settings = experiment.trainer.splits, experiment.trainer.settings
    sizes = [m.out_features for m in experiment.trainer.model.modules() if isinstance(m, nn.Linear)]
    model = MLPRegressor(
        hidden_layer_sizes=sizes[:-1],
        batch_size=settings.batch_size,
        max_iter=settings.epochs,
        n_iter_no_change=settings.epochs,  # no early stop: all epochs
        random_state=seed,
        **arguments,
    )
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # it was to stop after those epochs
        model.fit(splits["train"].inputs, splits["train"].targets.ravel())
    seconds = time.process_time() - begun
    found, targets = model.predict(splits["test"].inputs), splits["test"].targets.ravel()
    return root_mean_squared_error(targets, found), r2_score(targets, found), seconds


def results(seed: int) -> Iterator[tuple[str, Result]]:
    """(name, result) of every contestant; the seed decides the split and the weights."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment.build(load(CONFIG, [f"seed={seed}"]))
        yield "dgrad, the config", dgrad_result(experiment, Path(folder) / "run")
    for name, arguments in PEERS.items():
        yield name, peer_result(experiment, seed, arguments)


def main() -> None:
    """Print the means over the seeds."""
    table: dict[str, list[Result]] = {}
    for seed in SEEDS:
        for name, result in results(seed):
            table.setdefault(name, []).append(result)
    print(f"means over seeds {SEEDS}{'test RMSE':>24}{'test R2':>10}{'CPU s':>8}")
    for name, each in table.items():
        rmse, r2, seconds = np.mean(each, axis=0)
        print(f"{name:<34}{rmse:>18.3f}{r2:>10.4f}{seconds:>8.2f}")


if __name__ == "__main__":
    main()

"""Metrics: sums over batches of any sizes, so that the result is that of all rows at once.

metric          what every metric is, tables, outputs and targets as rows
classification  shares of classes that are right: accuracy, precision, recall, F1, confusions
probability     what the probabilities are worth: perplexity, bits, calibration
ranking         how well scores rank: ROC AUC, average precision
regression      distances between numbers: MAE, MSE, RMSE, R2
"""

from dgrad.train.metrics.classification import (
    F1,
    Accuracy,
    ConfusionMatrix,
    ExactMatch,
    F1Macro,
    Precision,
    Recall,
    TopK,
)
from dgrad.train.metrics.metric import Metric, Table
from dgrad.train.metrics.probability import (
    BitsPerCharacter,
    ExpectedCalibrationError,
    Perplexity,
)
from dgrad.train.metrics.ranking import ROCAUC, AveragePrecision
from dgrad.train.metrics.regression import MAE, MSE, R2, RMSE

__all__ = [
    "F1",
    "MAE",
    "MSE",
    "R2",
    "RMSE",
    "ROCAUC",
    "Accuracy",
    "AveragePrecision",
    "BitsPerCharacter",
    "ConfusionMatrix",
    "ExactMatch",
    "ExpectedCalibrationError",
    "F1Macro",
    "Metric",
    "Perplexity",
    "Precision",
    "Recall",
    "Table",
    "TopK",
]

"""Metrics: sums over batches of any sizes, so that the result is that of all rows at once.

metric          what every metric is, tables
rows            outputs and targets as rows, and what outputs predict
classification  shares of rows that are right: accuracy, top-k, whole sequences
confusion       counts of what is predicted as what: precision, recall, F1, confusion matrix
probability     what the probabilities are worth: perplexity, bits, calibration
ranking         how well scores rank: ROC AUC, average precision
regression      distances between numbers: MAE, MSE, RMSE, R2
"""

from dgrad.train.metrics.classification import Accuracy, ExactMatch, TopK
from dgrad.train.metrics.confusion import F1, ConfusionMatrix, Precision, Recall
from dgrad.train.metrics.metric import Metric, Table, Undefined
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
    "Metric",
    "Perplexity",
    "Precision",
    "Recall",
    "Table",
    "TopK",
    "Undefined",
]

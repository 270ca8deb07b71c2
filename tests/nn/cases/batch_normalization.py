"""Batch normalisation, of rows, lines and images."""

from tests.nn.cases.case import Case

ROWS, LINES, IMAGES = ((5, 3),), ((4, 3, 5),), ((2, 3, 4, 2),)


def one(nn, arguments):
    return nn.BatchNorm1d(**arguments)


def two(nn, arguments):
    return nn.BatchNorm2d(**arguments)


CASES = {
    "batch_norm": [
        Case("batch_norm", ROWS, one),
        Case("batch_norm", LINES, one),
        Case("batch_norm", IMAGES, two),
        Case("batch_norm", ((1, 3, 4, 2),), two),
        Case("{batch_norm: 1e-3}", IMAGES, two),
        Case("{batch_norm: {momentum: null}}", ROWS, one),
        Case("{batch_norm: {momentum: 0.5, affine: false}}", ROWS, one),
        Case("{batch_norm: {track_running_stats: false}}", IMAGES, two),
    ],
}
SHAPES = [
    ("batch_norm", ((),), r"needs \(batch, channels\) or \(batch, channels, length\) or"),
    ("batch_norm", ((1, 2, 3, 4),), '"reshape" or "flatten"'),
]
RANGES = [
    ("{batch_norm: 0.0}", "eps"),
    ("{batch_norm: {momentum: 1.1}}", "momentum"),
    ("{batch_norm: {momentum: -0.1}}", "momentum"),
]

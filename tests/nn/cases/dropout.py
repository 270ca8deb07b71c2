"""Layers that drop activations at random: compared where nothing is dropped."""

from tests.nn.cases.case import Case

CASES = {
    "dropout": [Case("dropout", ((3, 4),), modes=(False,)), Case("{dropout: 0.0}", ((3, 4),))],
    "dropout2d": [
        Case("dropout2d", ((3, 4, 2, 2),), modes=(False,)),
        Case("{dropout2d: 0}", ((3, 4, 2, 2),)),
    ],
}
SHAPES = [("dropout2d", ((3, 4),), "needs .batch, channels, height, width., got .batch, 3, 4.")]
RANGES = [("{dropout: 1.5}", "p"), ("{dropout: -0.1}", "p")]

"""Layers that drop activations at random: compared where nothing is dropped."""

from tests.nn.cases.case import Case

CASES = {
    "dropout": [Case("dropout", ((3, 4),), modes=(False,)), Case("{dropout: 0.0}", ((3, 4),))],
}
RANGES = [("{dropout: 1.5}", "p"), ("{dropout: -0.1}", "p")]

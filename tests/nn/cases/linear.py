"""Fully connected layers."""

from tests.nn.cases.case import Case

CASES = {
    "identity": [Case("identity", ((3, 4),))],
    "linear": [
        Case("{linear: 3}", ((3, 4),)),
        Case("{linear: {out_features: 3, bias: false}}", ((3, 4),)),
        Case("{linear: 3}", ((2, 5, 4),)),
    ],
}
SHAPES = [("{linear: 3}", ((),), "features")]
RANGES = [("{linear: 0}", "out_features")]

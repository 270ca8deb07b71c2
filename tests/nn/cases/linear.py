"""Fully connected layers."""

from tests.nn.cases.case import Case

CASES = {
    "bilinear": [
        Case("{bilinear: 3}", ((5, 4), (5, 2))),
        Case("{bilinear: {out_features: 3, bias: false}}", ((5, 6, 4), (5, 6, 2))),
        Case("{bilinear: {out_features: 1, init: ones}}", ((5, 4), (5, 4))),
    ],
    "identity": [Case("identity", ((3, 4),))],
    "linear": [
        Case("{linear: 3}", ((3, 4),)),
        Case("{linear: {out_features: 3, bias: false, init: orthogonal}}", ((3, 4),)),
        Case("{linear: 3}", ((2, 5, 4),)),
    ],
}
SHAPES = [
    ("{linear: 3}", ((),), "features"),
    ("{bilinear: 3}", ((2, 4), (3, 4)), r"two inputs .* got \(batch, 2, 4\) and \(batch, 3, 4\)"),
    ("{bilinear: 3}", ((), ()), "bilinear: needs two inputs"),
]
RANGES = [("{linear: 0}", "out_features"), ("{bilinear: 0}", "out_features")]

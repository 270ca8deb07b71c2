"""Normalisation of each example over its features."""

from tests.nn.cases.case import Case

ROWS, TOKENS = ((3, 4),), ((2, 3, 5),)


CASES = {
    "layer_norm": [
        Case("layer_norm", ROWS),
        Case("layer_norm", TOKENS),
        Case("{layer_norm: 1e-3}", TOKENS),
        Case("{layer_norm: {bias: false}}", TOKENS),
        Case("{layer_norm: {elementwise_affine: false}}", TOKENS),
    ],
    "rms_norm": [
        Case("rms_norm", TOKENS),
        Case("{rms_norm: 1e-3}", ROWS),
        Case("{rms_norm: {elementwise_affine: false}}", TOKENS),
    ],
}
SHAPES = [
    ("layer_norm", ((),), r"layer_norm: needs inputs of shape \(batch, ..., features\)"),
    ("rms_norm", ((),), "rms_norm: needs"),
]
RANGES = [
    ("{layer_norm: 0.0}", "eps"),
    ("{rms_norm: 0.0}", "eps"),
]

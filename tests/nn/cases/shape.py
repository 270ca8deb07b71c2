"""Layers that only rearrange axes."""

from tests.nn.cases.case import Case

CASES = {
    "flatten": [
        Case("flatten", ((3, 2, 4),)),
        Case("{flatten: 0}", ((3, 4),)),
        Case("{flatten: {start_dim: 1, end_dim: 2}}", ((3, 4, 2, 5),)),
    ],
}

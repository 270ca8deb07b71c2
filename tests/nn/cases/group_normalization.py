"""Normalisation of each example over groups of channels."""

from tests.nn.cases.case import Case

ROWS, LINES, IMAGES = ((3, 4),), ((2, 4, 5),), ((2, 4, 3, 2),)


def two(nn, arguments):
    return nn.InstanceNorm2d(**arguments)


def one(nn, arguments):
    return nn.InstanceNorm1d(**arguments)


CASES = {
    "group_norm": [
        Case("{group_norm: 2}", ROWS),
        Case("{group_norm: 1}", IMAGES),
        Case("{group_norm: {num_groups: 4, eps: 1e-3}}", IMAGES),
        Case("{group_norm: {num_groups: 2, affine: false}}", LINES),
    ],
    "instance_norm": [
        Case("instance_norm", IMAGES, two),
        Case("instance_norm", LINES, one),
        Case("{instance_norm: {eps: 1e-3, affine: true}}", IMAGES, two),
    ],
}
SHAPES = [
    ("{group_norm: 1}", ((),), r"needs \(batch, channels\)"),
    ("instance_norm", ((4, 1, 1),), r"\(batch, 4, 1, 1\) has one value per channel"),
    ("instance_norm", ((4,),), r"needs \(batch, channels, length\)"),
]
RANGES = [
    ("{group_norm: 0}", "num_groups"),
    ("{group_norm: {num_groups: 1, eps: 0.0}}", "eps"),
    ("{instance_norm: 0.0}", "eps"),
]

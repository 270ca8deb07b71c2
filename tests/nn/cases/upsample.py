"""Lines and images resized."""

from tests.nn.cases.case import Case

LINE = ((2, 3, 4),)
IMAGE = ((2, 3, 4, 5),)


def upsample(nn, arguments):
    """PyTorch wants no align_corners where it says nothing."""
    if not arguments["align_corners"]:
        del arguments["align_corners"]
    return nn.Upsample(**arguments)


CASES = {
    "upsample": [
        Case("{upsample: 7}", IMAGE, upsample),
        Case("{upsample: [8, 3]}", IMAGE, upsample),
        Case("{upsample: {scale_factor: 2}}", LINE, upsample),
        Case("{upsample: {scale_factor: 2.5, mode: nearest-exact}}", IMAGE, upsample),
        Case("{upsample: {scale_factor: [2, 3], mode: bilinear}}", IMAGE, upsample),
        Case("{upsample: {size: [8, 9], mode: bicubic, align_corners: true}}", IMAGE, upsample),
        Case("{upsample: {size: 9, mode: linear, align_corners: true}}", LINE, upsample),
        Case("{upsample: {size: [2, 3], mode: area}}", IMAGE, upsample),
    ],
}
SHAPES = [("{upsample: 4}", ((8, 8, 8, 8),), "upsample: needs")]
RANGES = [
    ("upsample", "size"),
    ("{upsample: {size: 3, scale_factor: 2}}", "size"),
    ("{upsample: 0}", "size"),
    ("{upsample: {scale_factor: 0}}", "scale_factor"),
    ("{upsample: {size: 3, align_corners: true}}", "align_corners"),
]

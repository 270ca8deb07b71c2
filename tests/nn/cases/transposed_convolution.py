"""Transposed convolutions."""

from tests.nn.cases.case import Case

LINE = ((2, 4, 5),)
IMAGE = ((2, 4, 3, 4),)

CASES = {
    "conv_transpose1d": [
        Case("{conv_transpose1d: {out_channels: 3, kernel_size: 3}}", LINE),
        Case(
            "{conv_transpose1d: {out_channels: 6, kernel_size: [4], stride: 2, padding: 1,"
            " output_padding: 1, groups: 2, bias: false}}",
            LINE,
        ),
        Case(
            "{conv_transpose1d: {out_channels: 3, kernel_size: 3, stride: 3, dilation: 2,"
            " init: orthogonal}}",
            LINE,
        ),
    ],
    "conv_transpose2d": [
        Case("{conv_transpose2d: {out_channels: 3, kernel_size: 3}}", IMAGE),
        Case("{conv_transpose2d: {out_channels: 3, kernel_size: 2, stride: 2}}", IMAGE),
        Case(
            "{conv_transpose2d: {out_channels: 3, kernel_size: [3, 2], stride: [2, 3],"
            " padding: [1, 0], output_padding: [1, 2], bias: false}}",
            IMAGE,
        ),
        Case(
            "{conv_transpose2d: {out_channels: 2, kernel_size: 3, dilation: 2, groups: 2,"
            " output_padding: 1, init: orthogonal}}",
            IMAGE,
        ),
    ],
}
SHAPES = [
    ("{conv_transpose2d: {out_channels: 3, kernel_size: 3}}", ((64,),), r"reshape: \[1, 8, 8\]"),
    ("{conv_transpose1d: {out_channels: 3, kernel_size: 3}}", ((64,),), r"reshape: \[1, 64\]"),
]
RANGES = [
    ("{conv_transpose2d: {out_channels: 0, kernel_size: 3}}", "out_channels"),
    ("{conv_transpose2d: {out_channels: 1, kernel_size: 0}}", "kernel_size"),
    ("{conv_transpose1d: {out_channels: 1, kernel_size: 3, stride: 0}}", "stride"),
    ("{conv_transpose1d: {out_channels: 1, kernel_size: 3, padding: -1}}", "padding"),
    ("{conv_transpose1d: {out_channels: 1, kernel_size: 3, output_padding: -1}}", "output_padding"),
]

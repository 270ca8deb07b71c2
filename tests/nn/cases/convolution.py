"""Convolutions."""

from tests.nn.cases.case import Case

LINE = ((2, 4, 9),)
IMAGE = ((2, 4, 7, 6),)

CASES = {
    "conv1d": [
        Case("{conv1d: {out_channels: 3, kernel_size: 3, init: orthogonal}}", LINE),
        Case("{conv1d: {out_channels: 3, kernel_size: [4], padding: same, bias: false}}", LINE),
        Case("{conv1d: {out_channels: 6, kernel_size: 3, stride: 2, padding: 1, groups: 2}}", LINE),
        Case(
            "{conv1d: {out_channels: 3, kernel_size: 3, padding: 2, dilation: 2,"
            " padding_mode: reflect}}",
            LINE,
        ),
    ],
    "conv2d": [
        Case("{conv2d: {out_channels: 3, kernel_size: 3}}", IMAGE),
        Case("{conv2d: {out_channels: 3, kernel_size: 3, padding: same}}", IMAGE),
        Case("{conv2d: {out_channels: 3, kernel_size: [4, 3], padding: same}}", IMAGE),
        Case("{conv2d: {out_channels: 3, kernel_size: 1, bias: false}}", IMAGE),
        Case("{conv2d: {out_channels: 3, kernel_size: 3, padding: valid, stride: [2, 1]}}", IMAGE),
        Case("{conv2d: {out_channels: 3, kernel_size: [2, 3], dilation: [3, 2]}}", IMAGE),
        Case("{conv2d: {out_channels: 8, kernel_size: 3, padding: [1, 2], groups: 4}}", IMAGE),
        Case(
            "{conv2d: {out_channels: 3, kernel_size: [4, 3], padding: same,"
            " padding_mode: replicate}}",
            IMAGE,
        ),
        Case(
            "{conv2d: {out_channels: 3, kernel_size: 3, padding: [2, 1], padding_mode: circular}}",
            IMAGE,
        ),
        Case(
            "{conv2d: {out_channels: 3, kernel_size: 3, padding: valid, padding_mode: reflect,"
            " init: {kaiming_normal: {mode: fan_out}}}}",
            IMAGE,
        ),
    ],
}
SHAPES = [
    (
        "{conv2d: {out_channels: 3, kernel_size: 3}}",
        ((64,),),
        r"conv2d: needs \(batch, channels, height, width\), got \(batch, 64\); "
        r'add "reshape: \[1, 8, 8\]" before it',
    ),
    ("{conv2d: {out_channels: 3, kernel_size: 3}}", ((8, 9),), r"reshape: \[1, 8, 9\]"),
    ("{conv2d: {out_channels: 3, kernel_size: 3}}", ((5,),), r"\[channels, height, width\]"),
    ("{conv2d: {out_channels: 3, kernel_size: 3}}", ((1, 2, 3, 4),), '"reshape" or "flatten"'),
    ("{conv1d: {out_channels: 3, kernel_size: 3}}", ((8,),), r"reshape: \[1, 8\]"),
    ("{conv1d: {out_channels: 3, kernel_size: 3}}", ((),), r"reshape: \[channels, length\]"),
]
RANGES = [
    ("{conv2d: {out_channels: 0, kernel_size: 3}}", "out_channels"),
    ("{conv2d: {out_channels: 1, kernel_size: 0}}", "kernel_size"),
    ("{conv2d: {out_channels: 1, kernel_size: [3, 0]}}", "kernel_size"),
    ("{conv2d: {out_channels: 1, kernel_size: 3, stride: 0}}", "stride"),
    ("{conv2d: {out_channels: 1, kernel_size: 3, padding: -1}}", "padding"),
    ("{conv2d: {out_channels: 1, kernel_size: 3, dilation: 0}}", "dilation"),
    ("{conv2d: {out_channels: 1, kernel_size: 3, groups: 0}}", "groups"),
    ("{conv1d: {out_channels: 1, kernel_size: [0]}}", "kernel_size"),
]

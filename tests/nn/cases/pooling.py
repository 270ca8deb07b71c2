"""Pooling."""

from tests.nn.cases.case import Case

LINE = ((2, 3, 8),)
IMAGE = ((2, 3, 7, 6),)

CASES = {
    "avg_pool1d": [
        Case("{avg_pool1d: 2}", LINE),
        Case("{avg_pool1d: {kernel_size: [3], stride: 2, padding: 1, ceil_mode: true}}", LINE),
        Case("{avg_pool1d: {kernel_size: 3, padding: 1, count_include_pad: false}}", LINE),
    ],
    "avg_pool2d": [
        Case("{avg_pool2d: 2}", IMAGE),
        Case("{avg_pool2d: {kernel_size: [3, 2], stride: [2, 1], padding: 1}}", IMAGE),
        Case("{avg_pool2d: {kernel_size: 3, stride: 2, ceil_mode: true}}", IMAGE),
        Case("{avg_pool2d: {kernel_size: 3, padding: 1, count_include_pad: false}}", IMAGE),
        Case("{avg_pool2d: {kernel_size: 2, divisor_override: 3}}", IMAGE),
    ],
    "max_pool1d": [
        Case("{max_pool1d: 2}", LINE),
        Case("{max_pool1d: {kernel_size: 3, stride: 2, padding: 1, dilation: 2}}", LINE),
        Case("{max_pool1d: {kernel_size: 3, ceil_mode: true}}", LINE),
    ],
    "max_pool2d": [
        Case("{max_pool2d: 2}", IMAGE),
        Case("{max_pool2d: [3, 2]}", IMAGE),
        Case("{max_pool2d: {kernel_size: 3, stride: 2, padding: 1}}", IMAGE),
        Case("{max_pool2d: {kernel_size: 2, stride: [1, 2], dilation: [2, 1]}}", IMAGE),
        Case("{max_pool2d: {kernel_size: 2, ceil_mode: true}}", IMAGE),
    ],
}
SHAPES = [
    ("{max_pool2d: 2}", ((8, 8),), r"reshape: \[1, 8, 8\]"),
    ("{avg_pool2d: 2}", ((49,),), r"reshape: \[1, 7, 7\]"),
    ("{max_pool1d: 2}", ((3, 4, 5),), r"needs \(batch, channels, length\)"),
]
RANGES = [
    ("{max_pool2d: 0}", "kernel_size"),
    ("{max_pool2d: {kernel_size: 2, stride: 0}}", "stride"),
    ("{max_pool2d: {kernel_size: 2, padding: -1}}", "padding"),
    ("{max_pool2d: {kernel_size: 2, dilation: 0}}", "dilation"),
    ("{avg_pool1d: {kernel_size: 2, padding: [-1]}}", "padding"),
    ("{avg_pool2d: {kernel_size: 2, divisor_override: 0}}", "divisor_override"),
]

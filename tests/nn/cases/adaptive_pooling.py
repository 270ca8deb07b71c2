"""Pooling to a given size, and to one number a channel."""

from tests.nn.cases.case import Case

LINE = ((2, 3, 8),)
IMAGE = ((2, 3, 7, 6),)


def pooled(name):
    """PyTorch's adaptive pooling to one number, without the axes of length 1."""
    return lambda nn, _: nn.Sequential(getattr(nn, name)(1), nn.Flatten())


CASES = {
    "adaptive_avg_pool1d": [Case("{adaptive_avg_pool1d: 3}", LINE)],
    "adaptive_avg_pool2d": [
        Case("{adaptive_avg_pool2d: 3}", IMAGE),
        Case("{adaptive_avg_pool2d: [2, null]}", IMAGE),
    ],
    "adaptive_max_pool1d": [Case("{adaptive_max_pool1d: 3}", LINE)],
    "adaptive_max_pool2d": [
        Case("{adaptive_max_pool2d: 4}", IMAGE),
        Case("{adaptive_max_pool2d: {output_size: [null, 5]}}", IMAGE),
    ],
    "global_avg_pool": [
        Case("global_avg_pool", LINE, pooled("AdaptiveAvgPool1d")),
        Case("global_avg_pool", IMAGE, pooled("AdaptiveAvgPool2d")),
    ],
    "global_max_pool": [
        Case("global_max_pool", LINE, pooled("AdaptiveMaxPool1d")),
        Case("global_max_pool", IMAGE, pooled("AdaptiveMaxPool2d")),
    ],
}
SHAPES = [
    ("{adaptive_avg_pool2d: 3}", ((8, 8),), r"reshape: \[1, 8, 8\]"),
    ("{adaptive_max_pool1d: 3}", ((8,),), r"reshape: \[1, 8\]"),
    ("global_avg_pool", ((8,),), r"needs \(batch, channels, length\) or \(batch, channels, height"),
]
RANGES = [
    ("{adaptive_avg_pool1d: 0}", "output_size"),
    ("{adaptive_avg_pool2d: [0, 1]}", "output_size"),
    ("{adaptive_max_pool2d: 0}", "output_size"),
]

"""Layers that only rearrange or surround elements."""

from tests.nn.cases.case import Case

IMAGE = ((3, 2, 4, 5),)


def function(call):
    """A module of PyTorch that computes call(x)."""

    def make(nn, arguments):
        class Called(nn.Module):
            def forward(self, x):
                return call(nn.functional, x)

        return Called()

    return make


CASES = {
    "flatten": [
        Case("flatten", ((3, 2, 4),)),
        Case("{flatten: 0}", ((3, 4),)),
        Case("{flatten: {start_dim: 1, end_dim: 2}}", ((3, 4, 2, 5),)),
    ],
    "pad": [
        Case("{pad: 1}", IMAGE, function(lambda F, x: F.pad(x, (1, 1, 1, 1)))),
        Case("{pad: 2}", ((3, 2, 4),), function(lambda F, x: F.pad(x, (2, 2)))),
        Case(
            "{pad: {padding: [1, 2], value: 7}}",
            ((3, 4),),
            function(lambda F, x: F.pad(x, (1, 2), value=7.0)),
        ),
        Case(
            "{pad: {padding: [1, 2, 3, 0], mode: reflect}}",
            IMAGE,
            function(lambda F, x: F.pad(x, (1, 2, 3, 0), mode="reflect")),
        ),
        Case(
            "{pad: {padding: [1, 2, 3, 0], mode: circular}}",
            IMAGE,
            function(lambda F, x: F.pad(x, (1, 2, 3, 0), mode="circular")),
        ),
        Case(
            "{pad: {padding: [1, 2, 0, 9], mode: replicate}}",
            IMAGE,
            function(lambda F, x: F.pad(x, (1, 2, 0, 9), mode="replicate")),
        ),
    ],
    "permute": [
        Case("{permute: [3, 1, 2]}", IMAGE, function(lambda F, x: x.permute(0, 3, 1, 2))),
        Case("{permute: [2, 1]}", ((3, 4, 5),), function(lambda F, x: x.permute(0, 2, 1))),
    ],
    "reshape": [
        Case("{reshape: [5, 8]}", IMAGE, function(lambda F, x: x.reshape(3, 5, 8))),
        Case("{reshape: [-1]}", IMAGE, function(lambda F, x: x.reshape(3, 40))),
        Case("{reshape: [1, 2, -1]}", ((3, 8),), function(lambda F, x: x.reshape(3, 1, 2, 4))),
    ],
    "unflatten": [
        Case("{unflatten: {dim: 1, unflattened_size: [1, 2, 4]}}", ((3, 8),)),
        Case("{unflatten: {dim: -2, unflattened_size: [-1, 2]}}", ((3, 8, 2),)),
    ],
}
RANGES = [
    ("{reshape: [-1, -1]}", "shape"),
    ("{reshape: [0, 2]}", "shape"),
    ("{reshape: [-2]}", "shape"),
    ("{reshape: []}", "shape"),
    ("{unflatten: {dim: 1, unflattened_size: [0]}}", "unflattened_size"),
    ("{permute: [0, 1]}", "dims"),
    ("{permute: [1, 3]}", "dims"),
    ("{permute: [1, 1]}", "dims"),
    ("{pad: -1}", "padding"),
    ("{pad: [1, 2, 3]}", "padding"),
    ("{pad: []}", "padding"),
]

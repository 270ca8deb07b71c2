"""Every op: forward, rules and docstring together, one family a file."""

# ruff: noqa: F403 - each family's __all__ says what is taken from it
from dgrad.ops import (
    activation,
    comparison,
    elementwise,
    indexing,
    linalg,
    loss,
    random,
    reduction,
    shape,
    special,
)
from dgrad.ops.activation import *
from dgrad.ops.comparison import *
from dgrad.ops.elementwise import *
from dgrad.ops.indexing import *
from dgrad.ops.linalg import *
from dgrad.ops.loss import *
from dgrad.ops.random import *
from dgrad.ops.reduction import *
from dgrad.ops.shape import *
from dgrad.ops.special import *

__all__ = sorted(
    name
    for family in (
        activation,
        comparison,
        elementwise,
        indexing,
        linalg,
        loss,
        random,
        reduction,
        shape,
        special,
    )
    for name in family.__all__
)

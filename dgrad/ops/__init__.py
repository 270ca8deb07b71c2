"""Every op: forward, rules and docstring together, one family a file."""

# ruff: noqa: F403 - each family's __all__ says what is taken from it
from dgrad import registry
from dgrad.ops.activation import *
from dgrad.ops.adaptive_pooling import *
from dgrad.ops.along_axis import *
from dgrad.ops.arithmetic import *
from dgrad.ops.attention import *
from dgrad.ops.averaging import *
from dgrad.ops.batch_normalization import *
from dgrad.ops.binary_loss import *
from dgrad.ops.classification_loss import *
from dgrad.ops.comparison import *
from dgrad.ops.complex_numbers import *
from dgrad.ops.convolution import *
from dgrad.ops.ctc import *
from dgrad.ops.decomposition import *
from dgrad.ops.determinant import *
from dgrad.ops.distance_loss import *
from dgrad.ops.einstein import *
from dgrad.ops.elementwise import *
from dgrad.ops.exponential import *
from dgrad.ops.fourier import *
from dgrad.ops.gamma import *
from dgrad.ops.group_normalization import *
from dgrad.ops.indexing import *
from dgrad.ops.inplace import *
from dgrad.ops.inverse import *
from dgrad.ops.joining import *
from dgrad.ops.linalg import *
from dgrad.ops.lookup import *
from dgrad.ops.loss import *
from dgrad.ops.normalization import *
from dgrad.ops.norms import *
from dgrad.ops.padding import *
from dgrad.ops.pooling import *
from dgrad.ops.powers import *
from dgrad.ops.products import *
from dgrad.ops.quantiles import *
from dgrad.ops.random import *
from dgrad.ops.rectifier import *
from dgrad.ops.recurrent import *
from dgrad.ops.reduction import *
from dgrad.ops.resampling import *
from dgrad.ops.rounding import *
from dgrad.ops.scan import *
from dgrad.ops.selection import *
from dgrad.ops.shape import *
from dgrad.ops.sorting import *
from dgrad.ops.special import *
from dgrad.ops.splitting import *
from dgrad.ops.splitting import __all__ as _composed
from dgrad.ops.transposed_convolution import *
from dgrad.ops.trigonometric import *
from dgrad.ops.weighted import *

__all__ = sorted({*registry.ops} & {*globals()} | {*_composed})

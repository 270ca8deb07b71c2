"""Every op: forward, rules and docstring together, one family a file.

activation              smooth activations, gates of two halves, softmax and its kin
adaptive_pooling        pooling to a given size, by maximum or mean
arithmetic              sums, products, quotients, remainders
attention               scaled dot product attention, rotary positions
average_pooling         means of windows
batch_normalization     each channel over the batch
binary_loss             losses of yes and no: cross-entropy, focal, hinge
choices                 where, clip, larger and smaller, absolute value, astype
classification_loss     losses over classes: cross-entropy, negative log-likelihood, margin
comparison              comparisons, logic, signs: no gradient
complex_numbers         parts, conjugates and angles
convolution             convolutions and their adjoints
ctc                     the loss of a sequence without alignment
cumulative              running sums, products, extremes; differences; recurrences
decomposition           cholesky, qr, eigh, svd
determinant             det, cofactors, slogdet
diagonals               triangles, diagonals, trace
einstein_sum            einsum
error_function          erf, its relatives, the normal distribution function
exponential             exponentials and logarithms
exponential_unit        elu, celu, selu
fourier                 discrete Fourier transforms
gamma                   lgamma and polygamma functions
gated_recurrent         gru over whole sequences
gathering               other indices in every row: take_along_axis, gather, put_along_axis
gelu                    x times the normal distribution function
group_normalization     groups of channels, each example by itself
indexing                getitem, scatter_add, take, masks, one-hot rows
inplace                 writes into a Tensor, clone, put
interpolation           images and lines resized, and the linear map behind it
joining                 concatenate, stack, tile, repeat
layer_normalization     vectors to variance 1, mean square 1 or length 1
linear_systems          inv, pinv, solve, matrix_power
lookup                  embedding and its adjoint
matrix_products         matmul, and the linear layer's product with bias
max_pooling             largest elements of windows
norms                   norms of vectors and matrices
padding                 pad, sliding windows and their adjoint
piecewise_activation    relu and its relatives, shrinkage
powers                  squares, roots, powers, the hypotenuse
quantiles               median, quantile, percentile
random                  dropout
recurrent               rnn and lstm over whole sequences
recurrent_cell          one step of rnn, gru and lstm
reduction               sums, means, extremes, variance, log-sum-exp over axes
regression_loss         losses of numbers against numbers
rounding                floor, ceil and their kin
shape                   reshape, transpose, broadcast_to, flip, roll
similarity_loss         losses of angles, distances and ranks
sorting                 sort, topk, extremes with their indices, searchsorted
splitting               several Tensors out of one: split and its kin, meshgrid
tensor_products         dot, inner, outer, tensordot, kron, cross
transposed_convolution  adjoints of convolutions as layers
trigonometric           sines, hyperbolic functions, their inverses
weighted_reduction      nansum, nanmean, average

Files with an underscore hold what several families share.
"""

# ruff: noqa: F403 - each family's __all__ says what is taken from it
from dgrad import registry
from dgrad.ops.activation import *
from dgrad.ops.adaptive_pooling import *
from dgrad.ops.arithmetic import *
from dgrad.ops.attention import *
from dgrad.ops.average_pooling import *
from dgrad.ops.batch_normalization import *
from dgrad.ops.binary_loss import *
from dgrad.ops.choices import *
from dgrad.ops.classification_loss import *
from dgrad.ops.comparison import *
from dgrad.ops.complex_numbers import *
from dgrad.ops.convolution import *
from dgrad.ops.ctc import *
from dgrad.ops.cumulative import *
from dgrad.ops.decomposition import *
from dgrad.ops.determinant import *
from dgrad.ops.diagonals import *
from dgrad.ops.einstein_sum import *
from dgrad.ops.error_function import *
from dgrad.ops.exponential import *
from dgrad.ops.exponential_unit import *
from dgrad.ops.fourier import *
from dgrad.ops.gamma import *
from dgrad.ops.gated_recurrent import *
from dgrad.ops.gathering import *
from dgrad.ops.gelu import *
from dgrad.ops.group_normalization import *
from dgrad.ops.indexing import *
from dgrad.ops.inplace import *
from dgrad.ops.interpolation import *
from dgrad.ops.joining import *
from dgrad.ops.layer_normalization import *
from dgrad.ops.linear_systems import *
from dgrad.ops.lookup import *
from dgrad.ops.matrix_products import *
from dgrad.ops.max_pooling import *
from dgrad.ops.norms import *
from dgrad.ops.padding import *
from dgrad.ops.piecewise_activation import *
from dgrad.ops.powers import *
from dgrad.ops.quantiles import *
from dgrad.ops.random import *
from dgrad.ops.recurrent import *
from dgrad.ops.recurrent_cell import *
from dgrad.ops.reduction import *
from dgrad.ops.regression_loss import *
from dgrad.ops.rounding import *
from dgrad.ops.shape import *
from dgrad.ops.similarity_loss import *
from dgrad.ops.sorting import *
from dgrad.ops.splitting import *
from dgrad.ops.splitting import __all__ as _composed
from dgrad.ops.tensor_products import *
from dgrad.ops.transposed_convolution import *
from dgrad.ops.trigonometric import *
from dgrad.ops.weighted_reduction import *

__all__ = sorted({*registry.ops} & {*globals()} | {*_composed})

"""Automatic differentiation; it knows no op by name. Read tensor, node, op, call, walk first.

tensor      Tensor: an array and the node its gradient goes to
node        nodes of the graph: operations, their outputs, leaves
op          @op: a NumPy-level function and its vector-Jacobian rules
call        how an op is called and recorded: the forward's hot path
walk        the backward walk, newest node first: the backward's hot path
backward    backward and grad: what to start from, what becomes of gradients
accumulate  how a gradient becomes, or is added to, `.grad`
saved       what a node keeps for its backward, and how it comes back
function    Function: a custom operation with its own forward and backward
protocols   NumPy's functions on Tensors

modes       no_grad, detect_anomaly and other modes, thread-local
recording   how a call is recorded when a mode asks for more
anomaly     where NaN and infinity arise, and who called the operation
inference   what inference_mode made
packing     saved values that pass through hooks
checkpoint  forget what a part saves, and compute it again
nesting     backward inside backward, to any depth

inplace     writing into a Tensor, with the graph told
views       Tensors that show memory of another one
versions    what was overwritten, and when
hooks       hooks and their handles
hook_calls  how the walk calls them
statics     an op's static parameters, as it keeps them
stream      the stream of random keys
lines       where in the user's program we are
openblas    NumPy's own OpenBLAS: its threads, its kernels
"""

"""What PyTorch users look for under `autograd`: grad, backward, Function and its decorator."""

from dgrad.core.backward import backward, grad
from dgrad.core.function import Function, once_differentiable

__all__ = ["Function", "backward", "grad", "once_differentiable"]

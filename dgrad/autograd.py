"""What PyTorch users look for under `autograd`: grad, backward, Function."""

from dgrad.core.backward import backward, grad
from dgrad.core.function import Function

__all__ = ["Function", "backward", "grad"]

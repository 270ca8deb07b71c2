"""What PyTorch users look for under `autograd`: grad, backward, Function, modes, hooks."""

from dgrad.core.backward import backward, grad
from dgrad.core.function import Function, once_differentiable
from dgrad.core.hooks import register_multi_grad_hook
from dgrad.core.modes import detect_anomaly, inference_mode, saved_tensors_hooks

__all__ = [
    "Function",
    "backward",
    "detect_anomaly",
    "grad",
    "inference_mode",
    "once_differentiable",
    "register_multi_grad_hook",
    "saved_tensors_hooks",
]

"""dgrad: train models from YAML on a dynamic-graph autodiff core over NumPy.

Names are imported when first used, so that the command line starts without NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "dgrad.core.backward": ("grad",),
    "dgrad.core.checkpoint": ("checkpoint", "is_recomputing"),
    "dgrad.core.function": ("Function",),
    "dgrad.core.hooks": ("register_multi_grad_hook",),
    "dgrad.core.modes": (
        "detect_anomaly",
        "enable_grad",
        "inference_mode",
        "is_grad_enabled",
        "no_grad",
        "saved_tensors_hooks",
        "set_grad_enabled",
    ),
    "dgrad.core.op": ("op",),
    "dgrad.core.stream": ("manual_seed",),
    "dgrad.core.tensor": (
        "Tensor",
        "as_tensor",
        "from_numpy",
        "get_default_dtype",
        "set_default_dtype",
        "tensor",
    ),
    "dgrad.functional.explain": ("explain_grad",),
    "dgrad.functional.gradcheck": ("gradcheck", "gradgradcheck"),
    "dgrad.functional.graph": ("graph",),
    "dgrad.functional.profile": ("profile",),
    "dgrad.functional.spans": ("record_layers",),
    "dgrad.functional.transforms": ("hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"),
}
_MODULES = ("autograd", "data", "errors", "functional", "nn", "ops", "optim", "registry")
_PLACES = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted((*_PLACES, *_MODULES))]  # and every op, see dgrad.ops


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"dgrad.{name}")
    if name.startswith("_"):
        raise AttributeError(f"module 'dgrad' has no attribute {name!r}")
    ops = import_module("dgrad.ops")  # fills Tensor's operators, whatever is asked for
    home = import_module(_PLACES[name]) if name in _PLACES else ops
    try:
        value = getattr(home, name)
    except AttributeError:
        raise AttributeError(f"module 'dgrad' has no attribute {name!r}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *import_module("dgrad.ops").__all__})


if TYPE_CHECKING:
    from dgrad import autograd, data, errors, functional, nn, ops, optim, registry
    from dgrad.core.backward import grad
    from dgrad.core.checkpoint import checkpoint, is_recomputing
    from dgrad.core.function import Function
    from dgrad.core.hooks import register_multi_grad_hook
    from dgrad.core.modes import (
        detect_anomaly,
        enable_grad,
        inference_mode,
        is_grad_enabled,
        no_grad,
        saved_tensors_hooks,
        set_grad_enabled,
    )
    from dgrad.core.op import op
    from dgrad.core.stream import manual_seed
    from dgrad.core.tensor import (
        Tensor,
        as_tensor,
        from_numpy,
        get_default_dtype,
        set_default_dtype,
        tensor,
    )
    from dgrad.functional.explain import explain_grad
    from dgrad.functional.gradcheck import gradcheck, gradgradcheck
    from dgrad.functional.graph import graph
    from dgrad.functional.profile import profile
    from dgrad.functional.spans import record_layers
    from dgrad.functional.transforms import hessian, hvp, jacobian, jvp, vhp, vjp
    from dgrad.ops import *

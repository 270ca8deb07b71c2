"""Tensor: an array, and the node that says where its gradient comes from."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from dgrad.core import inference, versions
from dgrad.core.hooks import HookHandle, hooks_of
from dgrad.core.modes import mode, special
from dgrad.core.node import Leaf, Node, Output
from dgrad.errors import DtypeError, GraphError, ShapeError

if TYPE_CHECKING:
    from dgrad.core.views import View

__all__ = ["Tensor", "as_tensor", "from_numpy", "get_default_dtype", "set_default_dtype", "tensor"]

_default_dtype: np.dtype[Any] = np.dtype(np.float32)


def set_default_dtype(dtype: npt.DTypeLike) -> None:
    """The dtype that Python floats and lists of floats get: float32 until this is called."""
    global _default_dtype
    wanted = np.dtype(dtype)
    if wanted.kind != "f":
        raise DtypeError(f"the default dtype must be a float, got {wanted}")
    _default_dtype = wanted


def get_default_dtype() -> np.dtype[Any]:
    """The dtype that Python floats and lists of floats get."""
    return _default_dtype


def to_array(data: Any, dtype: npt.DTypeLike | None = None) -> np.ndarray:
    """data as an array: arrays keep their dtype, Python floats get the default dtype."""
    if isinstance(data, Tensor):
        data = data.data
    if dtype is None and not isinstance(data, np.ndarray | np.generic):
        array = np.asarray(data)
        if array.dtype == np.complex128:
            return array.astype(np.result_type(_default_dtype, np.complex64))
        return array.astype(_default_dtype) if array.dtype == np.float64 else array
    return np.asarray(data, dtype=dtype)


class Tensor:
    """An n-dimensional array that operations can record.

    Tensor(data) shares memory with an ndarray `data`; `tensor(data)` copies. With
    `requires_grad=True` it is a leaf whose `.grad` backward fills. NumPy functions called on it
    return Tensors. Operators and most methods come from dgrad.ops.
    """

    __slots__ = ("__weakref__", "_grad", "_leaf", "_view", "_views", "data", "node")

    data: np.ndarray
    node: Node | Output | Leaf | None
    _leaf: Leaf  # of one that was a leaf before requires_grad was set to False
    _view: View  # of a Tensor that shows memory of another, see core/views.py
    _views: list[weakref.ref[Tensor]]  # of a Tensor whose memory others show

    def __init__(
        self, data: Any, *, dtype: npt.DTypeLike | None = None, requires_grad: bool = False
    ) -> None:
        self.data = to_array(data, dtype)
        if self.data.dtype.kind not in "fcbiu":
            raise DtypeError(f"a Tensor holds numbers or booleans, got {self.data.dtype}")
        self.node = None
        if requires_grad:
            self.requires_grad = True

    # -- what it is ---------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of every axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype of the elements."""
        return self.data.dtype

    @property
    def requires_grad(self) -> bool:
        """Whether operations on it are recorded; only a leaf can be set."""
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value == self.requires_grad:
            return
        if not self.is_leaf:
            raise GraphError(
                f"requires_grad can be changed on leaves only; this Tensor is the result of "
                f"{self.node.name}; use detach()"  # type: ignore[union-attr]
            )
        if value and self.data.dtype.kind not in "fc":
            raise DtypeError(
                f"only floats and complex numbers have gradients; this Tensor is {self.data.dtype}"
            )
        if not value:
            self._leaf, self.node = self.node, None  # type: ignore[assignment]
            return
        try:  # the one it had: a graph recorded before may end there
            self.node = self._leaf
        except AttributeError:
            self.node = Leaf(self)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set requires_grad and return the Tensor itself."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """True unless the Tensor is the recorded result of an operation."""
        return self.node is None or type(self.node) is Leaf

    @property
    def grad_fn(self) -> Node | Output | None:
        """The node of the operation that made it; None for a leaf."""
        return None if self.is_leaf else self.node  # type: ignore[return-value]

    # -- gradients ----------------------------------------------------------------------------

    @property
    def grad(self) -> Tensor | None:
        """Sum of the gradients that backward delivered; set to None to clear it."""
        try:
            return self._grad
        except AttributeError:
            return None

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                value = Tensor(value)
            if value.shape != self.shape:
                raise ShapeError(f"grad has shape {value.shape}, its Tensor {self.shape}")
            if value.dtype != self.dtype:
                raise DtypeError(f"grad has dtype {value.dtype}, its Tensor {self.dtype}")
        self._grad: Tensor | None = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def backward(
        self,
        gradient: Any = None,
        *,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add d(self)/d(leaf) to `.grad` of every leaf it depends on.

        gradient: the seed, of self's shape; 1 when left out, which needs a single element.
        create_graph: record the walk, so that the gradients can be differentiated again.
        retain_graph: keep saved values for another walk; as create_graph unless given.
        inputs: fill only these Tensors' `.grad`. Raises GraphError, ShapeError.
        """
        engine.backward(self, gradient, retain_graph, create_graph, inputs)

    def register_hook(self, hook: Callable[[Tensor], Any]) -> HookHandle:
        """Call hook(gradient) with the summed gradient of self; a result replaces it."""
        if self.node is None:
            raise GraphError("a hook needs a Tensor that requires grad")
        return HookHandle(hooks_of(self.node).functions, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> HookHandle:
        """Call hook(self) each time backward has added to `.grad` of this leaf.

        All gradients of the walk are known by then: hook may step an optimizer and clear `.grad`.
        """
        if type(self.node) is not Leaf:
            raise GraphError("a post-accumulate hook needs a leaf that requires grad")
        return HookHandle(hooks_of(self.node).accumulated, hook)

    def retain_grad(self) -> None:
        """Let backward fill `.grad` of this non-leaf too."""
        if self.node is None:
            raise GraphError("retain_grad needs a Tensor that requires grad")
        if not self.is_leaf:
            hooks_of(self.node).retained = weakref.ref(self)

    def detach(self) -> Tensor:
        """The same memory without its history."""
        return from_parts(self.data, None)

    @property
    def version(self) -> int:
        """How many times its memory was written in place, through it, a view or detach()."""
        return versions.version(self.data)

    def is_inference(self) -> bool:
        """Whether it was made in inference_mode."""
        return inference.is_inference(self.data)

    # -- leaving the graph --------------------------------------------------------------------

    def numpy(self) -> np.ndarray:
        """Its array to read, sharing memory; refused while it requires grad.

        It cannot be written to, as backward would not notice: write to the Tensor, or to a copy.
        """
        if self.node is not None:
            raise GraphError(
                "this Tensor requires grad, which NumPy would lose here: call detach().numpy(), "
                "or read .data, if that is meant; np.stack joins the Tensors of a list"
            )
        shown = self.data.view()
        shown.flags.writeable = False
        return shown

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def item(self) -> Any:
        """The only element as a Python number."""
        if self.data.size != 1:
            raise ShapeError(f"item() needs one element, this Tensor has shape {self.shape}")
        return self.data.item()

    def tolist(self) -> Any:
        """Nested Python lists of the elements."""
        return self.data.tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __format__(self, spec: str) -> str:
        """Formatted as its only element; as text without a format."""
        return format(self.item(), spec) if spec else str(self)

    def __index__(self) -> int:
        if self.data.dtype.kind not in "iu" or self.data.size != 1:
            raise DtypeError("only a Tensor of one integer can be an index")
        return int(self.data.item())

    def __bool__(self) -> bool:
        if self.data.size != 1:
            raise ShapeError(f"the truth value of a Tensor of shape {self.shape} is ambiguous")
        return bool(self.data.item())

    def __len__(self) -> int:
        if not self.data.ndim:
            raise ShapeError("a Tensor with no axes has no length")
        return len(self.data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    __hash__ = object.__hash__  # `==` compares elements; identity is what sets and dicts need

    def __repr__(self) -> str:
        values = np.array2string(self.data, separator=", ", precision=4, prefix="tensor(")
        notes = "" if self.dtype == _default_dtype else f", dtype={self.dtype}"
        if self.is_leaf:
            notes += ", requires_grad=True" if self.requires_grad else ""
        else:
            notes += f", grad_fn=<{self.node.name}>"  # type: ignore[union-attr]
        return f"tensor({values}{notes})"

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise GraphError("only leaves can be deep-copied: detach() the Tensor first")
        copy = type(self).__new__(type(self))
        copy.data = self.data.copy()
        copy.node = None
        copy.requires_grad = self.requires_grad
        memo[id(self)] = copy
        if self.grad is not None:
            copy.grad = from_parts(self.grad.data.copy(), None)
        return copy

    def __reduce__(self) -> Any:
        raise GraphError("Tensors are never pickled: save a state_dict in a checkpoint")

    if TYPE_CHECKING:  # filled when dgrad.ops registers its operators and methods

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __iadd__(self, other: Any) -> Self: ...
        def __isub__(self, other: Any) -> Self: ...
        def __imul__(self, other: Any) -> Self: ...
        def __itruediv__(self, other: Any) -> Self: ...
        def __ipow__(self, other: Any) -> Self: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...


_new = Tensor.__new__


def from_parts(data: np.ndarray, node: Node | Output | Leaf | None) -> Tensor:
    """A Tensor of an array and a node, unchecked: the engine's constructor."""
    made = _new(Tensor)
    made.data = data
    made.node = node
    return made


def array_of(value: Any) -> np.ndarray:
    """The array of a Tensor, or of anything else, without its gradient."""
    return value.data if isinstance(value, Tensor) else np.asarray(value)


def raw_gradients(results: Iterable[Any]) -> list[Any]:
    """What a rule returned, as arrays and Nones in a list of the walk's own.

    The walk keeps an array that nothing else refers to, and it finds that out by counting.
    """
    return [
        None if r is None else np.asarray(r.data if isinstance(r, Tensor) else r) for r in results
    ]


def tensor(data: Any, dtype: npt.DTypeLike | None = None, *, requires_grad: bool = False) -> Tensor:
    """A new Tensor holding a copy of data: numbers, nested lists, an array or a Tensor."""
    made = Tensor(np.array(to_array(data, dtype)), requires_grad=requires_grad)
    if special and mode.inference:
        inference.mark_inference(made.data)
    return made


def as_tensor(data: Any, dtype: npt.DTypeLike | None = None) -> Tensor:
    """data itself if it is a Tensor of that dtype, else a Tensor sharing memory where it can."""
    if isinstance(data, Tensor) and dtype in (None, data.dtype):
        return data
    return Tensor(data, dtype=dtype)


def from_numpy(array: np.ndarray) -> Tensor:
    """A Tensor that shares memory with `array`."""
    return Tensor(array)


import dgrad.core.backward as engine  # noqa: E402 - it imports Tensor, so Tensor must exist

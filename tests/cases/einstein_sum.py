"""Cases of dgrad/ops/einstein_sum.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.cases.case import *

__all__ = ["CASES", "REFERENCES", "TORCH"]

SUMS: list[tuple[str, tuple[tuple[int, ...], ...]]] = [
    ("ij,jk->ik", ((2, 3), (3, 4))),
    ("ij,jk", ((2, 3), (3, 4))),
    ("ba,cb", ((2, 3), (4, 2))),  # implicit: a before c
    ("i,i->", ((3,), (3,))),
    ("i,j->ji", ((2,), (3,))),
    ("bij,bjk->bik", ((2, 2, 3), (2, 3, 2))),
    ("ij->ji", ((2, 3),)),
    ("ij->", ((2, 3),)),
    ("ij->i", ((2, 3),)),  # j in one operand alone
    ("ij,ik->k", ((2, 3), (2, 4))),  # and so is j here
    ("ii->i", ((3, 3),)),
    ("ii", ((3, 3),)),
    ("iij->ij", ((2, 2, 3),)),
    ("iii->i", ((2, 2, 2),)),
    ("ii,ij->j", ((3, 3), (3, 2))),
    ("ij,ji->", ((2, 3), (3, 2))),
    ("...ij,...jk->...ik", ((4, 2, 3), (3, 2))),
    ("...ij,...jk->...ik", ((4, 1, 2, 3), (5, 3, 2))),
    ("...ij->...ji", ((4, 2, 3),)),
    ("i...,i...", ((3, 2), (3, 1))),
    ("...,...->...", ((2, 1, 3), (4, 1))),
    ("i...->...", ((3,),)),
    ("ij,ij->ij", ((1, 3), (2, 3))),  # a named axis of length 1 is stretched
    ("ij,j->i", ((2, 3), (1,))),
    ("ii,i->i", ((1, 1), (3,))),
    ("i,ij,jk,k->", ((2,), (2, 3), (3, 4), (4,))),
    ("ij,jk,ki->ijk", ((2, 3), (3, 2), (2, 2))),
    (",ij->ij", ((), (2, 3))),
    (",", ((), ())),
    ("->", ((),)),
    ("ij,jk->ik", ((0, 3), (3, 2))),
    ("ij,jk->ik", ((2, 0), (0, 3))),
    ("ij->j", ((0, 3),)),
    (" i j , j -> i ", ((2, 3), (3,))),
    ("Ab,bA->A", ((2, 3), (3, 2))),
]


def _torch_einsum(torch: Any) -> Callable[..., Any]:
    return lambda *operands, subscripts, optimize=None: torch.einsum(subscripts, *operands)


CASES: dict[str, list[Case]] = {
    "einsum": [
        *(
            Case(*(normal(*shape) for shape in shapes), subscripts=subscripts)
            for subscripts, shapes in SUMS
        ),
        Case(normal(3, 2).T, normal(3, 4)[::-1], subscripts="ij,jk->ik"),
        Case(repeated(normal(3), 2), repeated(normal(2), 3), subscripts="ij,jk->ki"),
        Case(normal(2, 3), normal(3, 2), normal(2, 2), subscripts="ij,jk,kl->il", optimize=True),
        Case(normal(40, 30), normal(30, 40), subscripts="ij,jk->ik", order=0),  # through BLAS
        Case(normal(2, 3), np.array([1e200, 1.0, -1e200]), subscripts="ij,j->i", order=0),
        Case(complex_normal(2, 3), normal(3, 2), subscripts="ij,jk->ik", torch=False),
        Case(complex_normal(2, 2), complex_normal(2), subscripts="ii,j->i"),
    ],
}

REFERENCES: dict[str, Callable[..., Any]] = {
    "einsum": lambda *operands, subscripts, optimize=None: np.einsum(subscripts, *operands),
}

TORCH: dict[str, Any] = {"einsum": _torch_einsum}

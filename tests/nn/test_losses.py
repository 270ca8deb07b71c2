"""Every registered loss, from its YAML, against PyTorch; what it counts, wants and refuses."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import dgrad
from dgrad import nn, registry
from dgrad.errors import DataError, ParameterError, ShapeError
from tests.nn.losses import CASES, Case
from tests.nn.losses.case import component

EVERY = [case for cases in CASES.values() for case in cases]
TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}


def label(value: object) -> str | None:
    """Cases are shown by their YAML."""
    return value.text if isinstance(value, Case) else None


def test_every_loss_has_a_case_and_every_argument_is_set_by_one() -> None:
    shipped = {n: c for n, c in registry.losses._entries.items() if c in vars(nn).values()}
    assert sorted(CASES) == sorted(shipped)
    for name, cases in CASES.items():
        defaults = component(name).arguments
        written = [component(case.spelled("sum")).arguments for case in cases]
        assert {k for each in written for k, v in each.items() if v != defaults[k]} == {*defaults}


def weights(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.asarray(np.random.default_rng(seed).normal(size=shape))


def ours(case: Case, reduction: str) -> list[np.ndarray]:
    """The loss, the gradient of its weighted sum, and that gradient's."""
    x = dgrad.Tensor(case.outputs, requires_grad=True)
    loss = case.loss(reduction)(x, dgrad.Tensor(case.targets))
    found = [loss]
    for order in range(case.order):
        total = (found[-1] * weights(found[-1].shape, order)).sum()
        if not total.requires_grad:
            found.append(dgrad.Tensor(np.zeros(x.shape)))
            continue
        (g,) = dgrad.grad(total, x, create_graph=True, allow_unused=True)
        found.append(dgrad.Tensor(np.zeros(x.shape)) if g is None else g)
    return [each.data for each in found]


def theirs(case: Case, reduction: str, torch: Any) -> list[np.ndarray]:
    x = torch.tensor(case.outputs, requires_grad=True)
    found = [case.torch_loss(torch, reduction, x, torch.tensor(case.targets))]
    for order in range(case.order):
        total = (found[-1] * torch.tensor(weights(tuple(found[-1].shape), order))).sum()
        if not total.requires_grad:
            found.append(torch.zeros_like(x))
            continue
        (g,) = torch.autograd.grad(total, x, create_graph=True, allow_unused=True)
        found.append(torch.zeros_like(x) if g is None else g)
    return [each.detach().numpy(force=True) for each in found]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("case", EVERY, ids=label)
def test_loss_and_gradients_agree_with_pytorch(case: Case, reduction: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    torch.set_default_dtype(torch.float64)
    try:
        expected = theirs(case, reduction, torch)
    finally:
        torch.set_default_dtype(torch.float32)
    with np.errstate(all="ignore"):
        found = ours(case, reduction)
    for order, (mine, other) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_allclose(mine, other, **TOLERANCE, err_msg=f"order {order}")


def test_every_name_of_pytorch_is_the_same_class() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    own = {"CosineLoss", "FocalLoss", "HingeLoss", "SigmoidFocalLoss"}
    names = {type(cases[0].loss()).__name__ for cases in CASES.values()}
    assert {name for name in names if not hasattr(torch.nn, name)} == own


def test_batchmean_is_the_divergence() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    case = CASES["kl_div"][0]
    criterion = case.loss("batchmean")
    expected = torch.nn.KLDivLoss(reduction="batchmean")(
        torch.tensor(case.outputs), torch.tensor(case.targets)
    )
    found = criterion(case.outputs, case.targets)
    assert float(found) == pytest.approx(expected.item(), rel=1e-12)
    assert repr(criterion) == "KLDivLoss(reduction='batchmean')"


X, Y, Z = np.random.default_rng(8).normal(size=(3, 5, 4))
LENGTHS = np.array([3, 5, 4]), np.array([2, 1, 3])
LOG_P = np.log(np.random.default_rng(8).dirichlet(np.ones(5), (5, 3)))
PYTORCHS_FORM = {  # class, arguments, what it is called with beside (outputs, targets)
    "CosineEmbeddingLoss": ({"margin": 0.1}, (X, Y, np.array([1, -1, 1, -1, -1]))),
    "CTCLoss": ({}, (LOG_P, np.array([[1, 2, 0], [3, 0, 0], [4, 1, 1]]), *LENGTHS)),
    "TripletMarginLoss": ({"margin": 2.0, "swap": True}, (X, Y, Z)),
}


@pytest.mark.parametrize("name", PYTORCHS_FORM)
def test_a_loss_takes_pytorchs_arguments_too(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    options, given = PYTORCHS_FORM[name]
    expected = getattr(torch.nn, name)(**options)(*map(torch.tensor, given))
    found = getattr(nn, name)(**options)(*given)
    np.testing.assert_allclose(found, expected, **TOLERANCE)


BETWEEN_ROWS = (nn.CosineEmbeddingLoss, nn.TripletMarginLoss)
BY_ROWS = [c for c in EVERY if c.outputs.ndim > 1 and not isinstance(c.loss(), BETWEEN_ROWS)]


@pytest.mark.parametrize("case", BY_ROWS, ids=label)
def test_E05_means_of_batches_join_to_the_mean_of_all(case: Case) -> None:
    """With weight_of: whatever the batches, unless rows are compared with each other."""
    loss = case.loss()
    total = count = 0.0
    for rows in (slice(0, 1), slice(1, 4), slice(4, None)):
        weight = loss.weight_of(case.targets[rows])
        if weight:
            total += float(loss(case.outputs[rows], case.targets[rows])) * weight
            count += weight
    assert count == loss.weight_of(case.targets)
    if count:
        whole = float(loss(case.outputs, case.targets))
        assert total / count == pytest.approx(whole, rel=1e-12)


def test_what_counts_is_rows_or_targets_or_their_weights() -> None:
    some = np.array([[0, 1, -100], [2, -100, -100]])
    assert nn.MSELoss().weight_of(X) == 5
    assert nn.CrossEntropyLoss().weight_of(some) == 3
    assert nn.CrossEntropyLoss(ignore_index=1).weight_of(some[:, :1]) == 2
    assert nn.CrossEntropyLoss([0.5, 1, 2]).weight_of(some) == 3.5
    assert nn.CrossEntropyLoss([0.5, 1, 2, 3]).weight_of(np.full((5, 6, 4), 0.25)) == 30
    assert nn.MultiMarginLoss(weight=[0.5, 1, 2]).weight_of(some) == 3
    assert nn.CTCLoss().weight_of(some) == 2


@pytest.mark.parametrize("name", ["cosine_embedding", "triplet"])
def test_what_counts_between_rows_is_their_pairs_or_triples(name: str) -> None:
    for case in CASES[name]:
        assert (
            case.loss().weight_of(case.targets)
            == case.loss("none")(case.outputs, case.targets).size
        )
    assert case.loss().weight_of(np.array([1, -100, -100])) == 0
    assert np.isnan(case.loss()(X[:3], np.array([1, -100, -100])))


def test_triplet_over_a_large_batch_needs_no_array_of_all_triples() -> None:
    targets = np.arange(300) % 2
    outputs = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    tracemalloc.start()
    loss = nn.TripletMarginLoss()(outputs, targets)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert loss.dtype == np.float32
    assert peak < 300 * 149 * 150  # a byte for each triple


@pytest.mark.parametrize(
    ("text", "targets", "classes", "expected"),
    [
        ("cross_entropy", (), 3, (3,)),
        ("cross_entropy", (7,), 3, (7, 3)),
        ("cross_entropy", (3,), None, (3,)),
        ("{cross_entropy: [1, 2, 3]}", (), 3, (3,)),
        ("{multi_margin: {weight: [1, 2, 3]}}", (), 3, (3,)),
        ("mse", (2, 4), None, (2, 4)),
        ("{bce: [1, 2]}", (3, 2), None, (3, 2)),
        ("triplet", (), 3, ("d",)),
        ("cosine_embedding", (), 3, ("d",)),
        ("ctc", (6,), 3, ("t", 3)),
        ("{ctc: 3}", (6,), 3, ("t", 4)),
    ],
)
def test_what_the_outputs_must_be(
    text: str, targets: tuple[int, ...], classes: int | None, expected: tuple[Any, ...]
) -> None:
    assert component(text).make().wanted(targets, classes) == expected


@pytest.mark.parametrize(
    ("text", "targets", "parameter", "expected"),
    [
        ("{cross_entropy: [1, 2]}", (), "weight", "3 numbers, one for each class"),
        ("{nll: {weight: [1, 2, 3, 4]}}", (5,), "weight", "3 numbers"),
        ("{focal: {weight: []}}", (), "weight", "3 numbers"),
        ("{bce: [1, 2]}", (3,), "weight", "3 numbers, one for each target"),
        ("{bce: [1, 2]}", (), "weight", "one number"),
        ("{bce_with_logits: {pos_weight: [1, 2]}}", (4,), "pos_weight", "4 numbers"),
    ],
)
def test_weights_of_another_length_are_refused(
    text: str, targets: tuple[int, ...], parameter: str, expected: str
) -> None:
    loss = component(text).make()
    with pytest.raises(ParameterError, match=expected) as caught:
        loss.wanted(targets, 3 if loss.targets == "classes" else None)
    assert caught.value.parameter == parameter


@pytest.mark.parametrize(
    ("text", "targets", "message"),
    [
        ("bce", [0.5, 1.5], r"within \[0, 1\], those of the data go from 0.5 to 1.5; use mse"),
        ("bce_with_logits", [-1, 1], r"within \[0, 1\]"),
        ("sigmoid_focal", [0, float("nan")], r"within \[0, 1\]"),
        ("hinge", [1, 0], "-1 or 1, that of row 1 is 0; use bce_with_logits"),
        ("soft_margin", [[1, 1], [1, 2]], "-1 or 1, that of row 1 is 2"),
        ("hinge_embedding", [1, 0.5], "-1 or 1"),
        ("kl_div", [0.5, -0.5], "must be >= 0, .* go from -0.5 to 0.5; set log_target"),
        ("poisson_nll", [1, -1], ">= 0"),
        ("cross_entropy", [[0.5, 0.5], [0.9, 0.2]], r"row 1 are \[0.9, 0.2\], .* sum to 1"),
        ("cross_entropy", [[1.5, -0.5]], "row 0"),
        ("ctc", [[1, 2], [3, 0]], "row 1 hold class 0, which is the blank"),
        ("{ctc: 3}", [[1, 2], [3, 0]], "row 1 hold class 3, which is the blank"),
        ("{ctc: 3}", [[1, 2], [-100, 0]], r"the end of a row only, row 1 of targets is"),
    ],
)
def test_D08_targets_that_do_not_suit(text: str, targets: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        component(text).make().check_targets(np.array(targets, np.float64))
    assert caught.value.fault == "D08"


@pytest.mark.parametrize("case", EVERY, ids=label)
def test_the_targets_of_every_case_suit(case: Case) -> None:
    case.loss().check_targets(case.targets)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.MSELoss(reduction="avg"), ParameterError, "^mse: reduction .* 'sum' or 'none'"),
        (lambda: nn.MSELoss(reduction="batchmean"), ParameterError, "'mean', 'sum' or 'none'"),
        (lambda: nn.KLDivLoss(reduction="x"), ParameterError, "'batchmean', 'sum' or 'none'"),
        (lambda: nn.CrossEntropyLoss(1.0), ParameterError, "^cross_entropy: weight must be"),
        (lambda: nn.CrossEntropyLoss(label_smoothing=1.1), ParameterError, "label_smoothing"),
        (lambda: nn.NLLLoss([1, -1]), ParameterError, "weight must be >= 0"),
        (lambda: nn.HuberLoss(0), ParameterError, "delta"),
        (lambda: nn.TripletMarginLoss(p=0.5), ParameterError, "p must be >= 1"),
        (lambda: nn.TripletMarginLoss()(X, Y), ShapeError, r"embeddings \(n, d\) and targets"),
        (lambda: nn.CosineEmbeddingLoss()(X[0], np.zeros(4)), ShapeError, "embeddings"),
        (lambda: nn.TripletMarginLoss().wanted((2,), 3), ShapeError, "one class for each row"),
        (lambda: nn.CTCLoss().wanted((), 3), ShapeError, "a sequence of classes for each row"),
        (lambda: nn.CTCLoss()(X, np.zeros((5, 1), int)), ShapeError, r"\(n, t, classes\)"),
        (lambda: nn.CTCLoss()(X[None], np.zeros(1, int)), ShapeError, r"must be \(1, s\)"),
        (
            lambda: nn.CTCLoss()(X[None], np.array([[1, -100, 2]])),
            ShapeError,
            r"pads the end of a row only, row 0 of targets is \[1, -100, 2\]",
        ),
    ],
)
def test_what_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_repr_shows_what_is_no_default() -> None:
    assert repr(nn.CrossEntropyLoss()) == "CrossEntropyLoss(reduction='mean')"
    shown = "NLLLoss(weight=[1.0, 2.0], ignore_index=3, reduction='sum')"
    assert repr(nn.NLLLoss([1, 2], ignore_index=3, reduction="sum")) == shown


@pytest.mark.parametrize("case", EVERY, ids=label)
def test_single_precision_stays_single(case: Case) -> None:
    narrow = case.targets.astype(np.float32) if case.targets.dtype.kind == "f" else case.targets
    x = dgrad.Tensor(case.outputs.astype(np.float32), requires_grad=True)
    with np.errstate(all="ignore"):
        for reduction in ("mean", "none"):
            loss = case.loss(reduction)(x, dgrad.Tensor(narrow))
            assert loss.dtype == np.float32
            (g,) = dgrad.grad(loss.sum(), x)
            assert g.dtype == np.float32


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.CrossEntropyLoss([0, 0, 0]),
        lambda: nn.NLLLoss([0.0, 0.0]),
        lambda: nn.CrossEntropyLoss([0, 1, 1], label_smoothing=0.1),
    ],
)
def test_C08_weights_by_which_nothing_counts_are_refused(make):
    with pytest.raises(ParameterError, match="weight must be > 0 for"):
        make()

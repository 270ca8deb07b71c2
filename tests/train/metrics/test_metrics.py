"""Metrics from their YAML: scikit-learn's values, whatever the batches; undefined cases."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from dgrad import registry
from dgrad.errors import ConfigError, DataError, DtypeError, ShapeError
from dgrad.registry import name_of
from dgrad.train import metrics  # fills the registry
from dgrad.train.metrics import Metric
from tests.train.metrics.cases import ALL, CASES, NAMES, RARE, SIGNS, YES, Case, component, made

EVERY = [case for cases in CASES.values() for case in cases]
BY_CLASS = [case for case in EVERY if case.targets.dtype.kind == "i"]
DECIDED = [case for case in EVERY if case.threshold is not None]
BY_NUMBER = [case for case in EVERY if case not in BY_CLASS and case not in DECIDED]
SIZES = [[], [1] * 100, [7, 0, 32, 1, 11]]  # of batches; the rest comes at the end


def label(value: object) -> str | None:
    """Cases are shown by their YAML."""
    return value.text if isinstance(value, Case) else None


def new(case: Case, **told: Any) -> Metric:
    if case in BY_CLASS:
        return made(case.text, case.outputs.shape[-1], **told)
    columns = math.prod(case.targets.shape[1:])
    return made(case.text, columns=columns, threshold=case.threshold, **told)


def fed(metric: Metric, outputs: Any, targets: Any, sizes: Sequence[int] = ()) -> Metric:
    """The metric after batches of these sizes and one of all that is left."""
    bounds = [min(int(n), len(targets)) for n in np.cumsum([0, *sizes])]
    for start, stop in itertools.pairwise([*bounds, len(targets)]):
        metric.update(outputs[start:stop], targets[start:stop])
    return metric


def equal(found: dict[str, float], expected: dict[str, float], tolerance: float = 1e-12) -> None:
    assert list(found) == list(expected)
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=tolerance, abs=tolerance, nan_ok=True), key


def test_every_metric_has_a_case_and_every_argument_is_set_by_one() -> None:
    shipped = [n for n, m in registry.metrics._entries.items() if m in vars(metrics).values()]
    assert sorted(CASES) == sorted(shipped)
    for name, cases in CASES.items():
        assert {component(case.text).name for case in cases} == {name}
        defaults = component(name).arguments
        given = [component(case.text).arguments for case in cases]
        assert {k for each in given for k in each if each[k] != defaults[k]} == {*defaults}, name


def test_which_way_they_improve() -> None:
    falling = {name for name in CASES if not registry.metrics[name].higher_is_better}
    assert falling == {
        "bits_per_character",
        "expected_calibration_error",
        "mae",
        "mse",
        "perplexity",
        "rmse",
    }


@pytest.mark.parametrize("sizes", SIZES, ids=["whole", "ones", "uneven"])
@pytest.mark.parametrize("case", EVERY, ids=label)
def test_E05_values_agree_with_scikit_learn(case: Case, sizes: list[int]) -> None:
    sklearn = pytest.importorskip("sklearn", reason="scikit-learn is the oracle")
    pytest.importorskip("sklearn.calibration", reason="scikit-learn is the oracle")
    pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle")
    expected = case.oracle(sklearn, case.outputs, case.targets)
    metric = fed(new(case), case.outputs, case.targets, sizes)
    equal(metric.values(), expected, 1e-10 if case.text == "r2" else 1e-12)
    if expected:
        assert metric.result() == metric.values()[""]


@pytest.mark.parametrize("sizes", SIZES, ids=["whole", "ones", "uneven"])
def test_the_confusion_matrix_agrees_with_scikit_learn(sizes: list[int]) -> None:
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle")
    outputs, targets = RARE
    table = fed(made("confusion_matrix", 6), outputs, targets, sizes).table()
    expected = sklearn.confusion_matrix(targets, outputs.argmax(axis=1), labels=range(6))
    assert table is not None
    np.testing.assert_array_equal(table.values, expected)
    assert table.rows == table.columns == NAMES
    assert table.plain() == {"rows": [*NAMES], "columns": [*NAMES], "values": expected.tolist()}


@pytest.mark.parametrize("sizes", SIZES, ids=["whole", "ones", "uneven"])
@pytest.mark.parametrize("columns", [1, 3])
def test_confusion_matrices_of_yes_and_no_agree_with_scikit_learn(
    columns: int, sizes: list[int]
) -> None:
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is the oracle")
    outputs, targets = YES[:, :columns], SIGNS[:, :columns]
    metric = made("confusion_matrix", columns=columns, threshold=0.0)
    table = fed(metric, outputs, targets, sizes).table()
    expected = [
        sklearn.confusion_matrix(targets[:, i] > 0, outputs[:, i] > 0) for i in range(columns)
    ]
    assert table is not None
    np.testing.assert_array_equal(table.values, np.concatenate(expected))
    several = ("[0] no", "[0] yes", "[1] no", "[1] yes", "[2] no", "[2] yes")
    assert table.rows == (("no", "yes") if columns == 1 else several)
    assert table.columns == ("no", "yes")
    metric.update(np.full((1, columns), np.nan), np.ones((1, columns)))
    again = metric.table()
    assert again is not None
    assert again.columns == ("no", "yes", "none")
    assert again.values[:, 2].tolist() == [0, 1] * columns
    assert metric.result() == pytest.approx(
        sum(np.trace(each) for each in expected) / (61 * columns)
    )


@pytest.mark.parametrize("ignored", [-100, 7])
@pytest.mark.parametrize("case", BY_CLASS, ids=label)
def test_a_target_that_the_loss_ignores_does_not_count(case: Case, ignored: int) -> None:
    metric = fed(new(case), case.outputs, case.targets)
    more = np.full((9, *case.targets.shape[1:]), -100)
    other = np.full((9, *case.outputs.shape[1:]), np.nan)
    mixed = np.random.default_rng(1).permutation(len(case.targets) + 9)
    outputs = np.concatenate([case.outputs, other])[mixed]
    targets = np.concatenate([case.targets, more])[mixed]
    told = {} if ignored == -100 else {"ignore_index": ignored}
    targets, more = (np.where(each == -100, ignored, each) for each in (targets, more))
    again = fed(new(case, **told), outputs, targets, [5, 20])
    equal(again.values(), metric.values())
    if metric.table() is not None:
        np.testing.assert_array_equal(again.table().values, metric.table().values)
    nothing = fed(new(case, **told), other, more)
    assert math.isnan(nothing.result())


@pytest.mark.parametrize("case", [c for c in BY_CLASS if c.targets.ndim == 1], ids=label)
def test_further_axes_are_rows(case: Case) -> None:
    half = len(case.targets) // 2
    outputs = case.outputs.reshape(half, 2, -1)
    folded = fed(new(case), outputs, case.targets.reshape(half, 2), [3])
    equal(folded.values(), fed(new(case), case.outputs, case.targets).values())


@pytest.mark.parametrize("case", EVERY, ids=label)
def test_E06_undefined_is_nan(case: Case) -> None:
    metric, fresh = new(case), new(case)
    for value in (metric.result(), *metric.values().values()):
        assert math.isnan(value)
        assert isinstance(value, metrics.Undefined)
        assert value.reason
    names = list(metric.values())
    metric.update(case.outputs[:0], case.targets[:0])
    assert math.isnan(metric.result())
    fed(metric, case.outputs, case.targets)
    before = metric.values()
    assert list(before) == names
    assert math.isfinite(metric.result())
    metric.reset()
    assert math.isnan(metric.result())
    equal(fed(metric, case.outputs, case.targets).values(), before)
    equal(fed(fresh, case.outputs, case.targets).values(), before)


@pytest.mark.parametrize(
    ("text", "outputs", "targets", "reason"),
    [
        ("accuracy", [[0.0, 1]], [-100], "no target counts"),
        ("perplexity", [[0.0, 1]], [-100], "no target counts"),
        ("{precision: micro}", [[np.nan, 1]], [0], "no row is predicted as the class"),
        ("{recall: micro}", [[0.0, 1]], [-100], "the class has no rows"),
        ("roc_auc", [[0.0, 1]], [1], "the rows are all of the class, or none is"),
        ("roc_auc", [[np.nan, 1], [0, 1]], [0, 1], "an output is NaN"),
        ("average_precision", [[0.0, 1]], [0], "the class has no rows"),
        ("r2", [1.0, 2], [3.0, 3], "it needs two rows or more, and targets that differ"),
    ],
)
def test_E06_what_is_undefined_says_why(
    text: str, outputs: list[Any], targets: list[Any], reason: str
) -> None:
    found: Any = fed(made(text), np.array(outputs), np.array(targets)).result()
    assert (math.isnan(found), found.reason) == (True, reason)


def test_E06_a_class_that_is_undefined_says_why() -> None:
    outputs, targets = np.array([[2.0, 1, 0], [0, 1, 0], [0, 1, 0]]), np.array([0, 0, 1])
    reasons = {
        "precision": "no row is predicted as the class",
        "recall": "the class has no rows",
        "f1": "the class has no rows, and none is predicted as it",
        "roc_auc": "the rows are all of the class, or none is",
    }
    for name, reason in reasons.items():
        values: Any = fed(made(f"{{{name}: none}}", 3), outputs, targets).values()
        assert values["[cow]"].reason == reason
        assert [k for k, v in values.items() if math.isnan(v)] == ["[cow]"]


@pytest.mark.parametrize("case", EVERY, ids=label)
def test_single_precision_is_added_up_in_double(case: Case) -> None:
    outputs = case.outputs.astype(np.float32)
    wide = fed(new(case), outputs.astype(np.float64), case.targets)
    equal(fed(new(case), outputs, case.targets, [7]).values(), wide.values(), 1e-10)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_E06_ranking_one_class_only(name: str) -> None:
    outputs, targets = np.random.default_rng(0).normal(size=(9, 2)), np.zeros(9, int)
    assert math.isnan(fed(made(name), outputs, targets).result())
    alone = fed(made(name), outputs, targets + 1).result()
    assert alone == 1 if name == "average_precision" else math.isnan(alone)
    several = np.random.default_rng(0).normal(size=(9, 3))
    each = fed(made(f"{{{name}: none}}", 3), several, targets).values()
    assert math.isnan(each["[bee]"])
    assert math.isnan(each[""]) == (name == "roc_auc")


def test_ranking_two_classes_names_the_second() -> None:
    outputs, targets = np.random.default_rng(0).normal(size=(9, 2)), np.arange(9) % 2
    values = fed(made("{roc_auc: none}", 2), outputs, targets).values()
    assert list(values) == ["", "[bee]"]
    assert values[""] == values["[bee]"]


def test_ranking_does_not_round_what_is_certain() -> None:
    """Probabilities that round to 1, in the order of their logits."""
    outputs = np.array([[50.0, 0, 0], [60, 0, 0], [70, 0, 0], [0, 90, 0]])
    metric = fed(made("{roc_auc: none}", 3), outputs, np.array([1, 1, 0, 2]))
    assert metric.values()["[ant]"] == 1.0


def test_known_values() -> None:
    outputs = np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 3.0]])
    targets = np.array([0, 0, 1])
    found = {text: fed(made(text), outputs, targets).result() for text in ("accuracy", "f1_macro")}
    assert found == {"accuracy": pytest.approx(1 / 3), "f1_macro": pytest.approx((2 / 4 + 0) / 2)}
    y = np.array([1.0, 2.0, 3.0])
    assert fed(made("mae"), y + 2, y, [2]).result() == 2
    assert fed(made("mse"), y + 2, y, [2]).result() == 4
    assert fed(made("rmse"), y + np.array([0, 0, 3]), y).result() == pytest.approx(math.sqrt(3))
    assert fed(made("r2"), y * 0 + 2, y, [2]).result() == 0
    assert fed(made("r2"), y, y, [2]).result() == 1
    level = np.zeros((5, 8))
    assert fed(made("perplexity"), level, np.arange(5)).result() == pytest.approx(8)
    assert fed(made("bits_per_character"), level, np.arange(5)).result() == pytest.approx(3)


def test_the_upper_bound_of_a_bin_is_in_it() -> None:
    sure = np.array([[0.0, 0.0], [math.log(9), 0.0]])  # 0.5 and right, 0.9 and wrong
    metric = fed(made("{expected_calibration_error: 2}"), sure, np.array([0, 1]))
    assert metric.result() == pytest.approx((0.5 + 0.9) / 2)


def test_of_equal_outputs_the_first_counts() -> None:
    outputs = np.zeros((3, 4))
    targets = np.array([0, 1, 3])
    shares = [fed(made(f"{{top_k: {k}}}"), outputs, targets).result() for k in range(1, 6)]
    assert shares == pytest.approx([1 / 3, 2 / 3, 2 / 3, 1, 1])


def test_E06_r2_of_constant_targets_or_one_row_is_nan() -> None:
    for targets in (np.full(9, 0.1, np.float32), np.full(1, 2.0), np.full((9, 2), 1e6 + 0.1)):
        assert math.isnan(fed(made("r2"), targets + 1, targets, [1] * len(targets)).result())
    mixed = np.stack([np.full(9, 0.1), np.arange(9.0)], axis=1)
    assert math.isnan(fed(made("r2"), mixed + 1, mixed).result())


@pytest.mark.parametrize("text", ["accuracy", "{top_k: 6}", "exact_match", "{recall: micro}"])
def test_T05_nan_outputs_are_never_right(text: str) -> None:
    outputs, targets = (each.copy() for each in ALL)
    targets[:40] = 0
    outputs[:40, 3] = np.nan
    outputs[:20, 0] = np.nan
    half = fed(made(text), outputs[40:], targets[40:]).result() / 2
    assert fed(made(text), outputs, targets, [33]).result() == pytest.approx(half)


def test_T05_nan_outputs_predict_no_class() -> None:
    alone, targets = np.full((3, 2), np.nan), np.array([0, 0, 1])
    assert fed(made("f1_macro"), alone, targets).result() == 0
    table = fed(made("confusion_matrix"), alone, targets).table()
    assert table is not None
    assert table.columns == ("0", "1", "none")
    assert table.values.tolist() == [[0, 0, 2], [0, 0, 1]]


@pytest.mark.parametrize("text", ["perplexity", "expected_calibration_error", "roc_auc"])
def test_T05_nan_outputs_have_no_probability(text: str) -> None:
    outputs = ALL[0].copy()
    outputs[3, 2] = np.nan
    with np.errstate(all="ignore"):
        assert math.isnan(fed(made(text), outputs, ALL[1]).result())


@pytest.mark.parametrize("case", BY_NUMBER, ids=label)
def test_T05_nan_outputs_are_no_numbers(case: Case) -> None:
    outputs = case.outputs.copy()
    outputs[(3, *[0] * (outputs.ndim - 1))] = np.nan
    assert math.isnan(fed(new(case), outputs, case.targets).result())


@pytest.mark.parametrize("case", DECIDED, ids=label)
def test_T05_nan_outputs_decide_nothing(case: Case) -> None:
    """As if the wrong answer, or where no is right none, had been given."""
    if case.text == "confusion_matrix":
        return
    outputs, other = case.outputs.copy(), case.outputs.copy()
    yes = case.targets == 1
    outputs[yes] = np.nan
    other[yes] = -99
    equal(
        fed(new(case), outputs, case.targets).values(),
        fed(new(case), other, case.targets).values(),
    )
    outputs[:] = np.nan
    assert not fed(new(case), outputs, case.targets).result() > 0


@pytest.mark.parametrize("name", ["accuracy", "exact_match", "f1", "confusion_matrix", "roc_auc"])
def test_numbers_that_are_not_yes_or_no_are_refused(name: str) -> None:
    metric = made(name, threshold=0.0)
    with pytest.raises(DtypeError, match=f"^{name}: .* 1 for yes and 0 or -1 for no, got 0.5"):
        metric.update(np.zeros((2, 2)), np.array([[0, 1], [0.5, 0]]))
    for wrong, found in (([1, 0, -1], "-1 or 1, that of row 1 is 0"), ([0.5, 1], "0 or 1, .* 0.5")):
        with pytest.raises(DataError, match=found) as caught:
            metric.check_targets(np.array(wrong, float))
        assert caught.value.fault == "D08"
    metric.check_targets(np.array([[1.0, 0], [0, 0]]))
    metric.check_targets(np.array([1.0, -1]))


def test_a_perplexity_too_large_is_inf() -> None:
    metric = fed(made("perplexity"), np.array([[0.0, 1e4]]), np.array([0]))
    assert metric.result() == math.inf


WITH_CLASSES = sorted({component(case.text).name for case in BY_CLASS})


@pytest.mark.parametrize("name", WITH_CLASSES)
@pytest.mark.parametrize(
    ("outputs", "targets", "error"),
    [
        (np.zeros((3, 2)), np.zeros(2, int), ShapeError),
        (np.zeros(3), np.zeros(3, int), ShapeError),
        (np.zeros((3, 0)), np.zeros(3, int), ShapeError),
        (np.zeros((3, 2)), np.full(3, 0.5), (DtypeError, ShapeError)),
        (np.zeros((3, 2)), np.full((3, 2), 0.5), (DtypeError, ShapeError)),
        (np.zeros((3, 2)), np.full(3, 2), ShapeError),
        (np.zeros((3, 2)), np.full(3, -1), ShapeError),
    ],
)
def test_wrong_class_inputs_are_refused(
    name: str, outputs: Any, targets: Any, error: type[Exception]
) -> None:
    with pytest.raises(error, match=name_of(registry.metrics[name])):
        registry.metrics[name]().update(outputs, targets)


@pytest.mark.parametrize("name", ["mae", "mse", "r2", "rmse", "roc_auc"])
def test_wrong_number_inputs_are_refused(name: str) -> None:
    with pytest.raises(ShapeError, match=name):
        registry.metrics[name]().update(np.zeros((3, 1)), np.zeros(3))


@pytest.mark.parametrize("name", ["confusion_matrix", "f1", "roc_auc"])
def test_another_number_of_classes_is_refused(name: str) -> None:
    metric = made(name)
    metric.update(np.zeros((3, 4)), np.zeros(3, int))
    with pytest.raises(ShapeError, match=f"{name}: 3 (classes|columns), but 4"):
        metric.update(np.zeros((3, 3)), np.zeros(3, int))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{top_k: 0}", "k: expected a whole number >= 1"),
        ("{expected_calibration_error: {bins: 0}}", "bins: expected a whole number >= 1"),
        ("{f1: weighted}", "average: expected one of macro, micro, none"),
        ("{roc_auc: micro}", "average: expected one of macro, none"),
        ("{recall: {class_names: [a]}}", "class_names"),
    ],
)
def test_C08_arguments_of_a_config(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        component(text)


@pytest.mark.parametrize("case", [c for c in BY_CLASS if c.targets.min() >= 0], ids=label)
def test_classes_may_be_integers_of_any_size(case: Case) -> None:
    outputs = np.tile(case.outputs, (1, 30)) - 1e9 * (np.arange(30 * case.outputs.shape[1]) > 99)
    small = fed(made(case.text), outputs, case.targets.astype(np.uint8))
    usual = fed(made(case.text), outputs, case.targets)
    equal(small.values(), usual.values())
    if small.table() is not None:
        np.testing.assert_array_equal(small.table().values, usual.table().values)

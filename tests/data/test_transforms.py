"""Transforms: the formulas, fitted on training rows only, and their state."""

import numpy as np
import pytest

from dgrad.data import Scale, Standardize
from dgrad.errors import CheckpointError, DataError, ParameterError, ShapeError
from dgrad.registry import transforms

CASES = [
    pytest.param(Standardize, {}, id="standardize"),
    pytest.param(Standardize, {"per": "all"}, id="standardize-all"),
    pytest.param(Scale, {}, id="scale"),
    pytest.param(Scale, {"low": -1.0, "high": 3.0}, id="scale-range"),
    pytest.param(Scale, {"per": "all", "low": -1.0}, id="scale-all"),
]
ROWS = np.random.default_rng(0).normal(3, 20, (50, 4, 3)).astype(np.float32)


def reference(kind, options, train, rows):
    """The documented formula, in float64."""
    train, rows = train.astype(np.float64), rows.astype(np.float64)
    axis = None if options.get("per") == "all" else 0
    if kind is Standardize:
        return (rows - train.mean(axis=axis)) / train.std(axis=axis)
    low, high = options.get("low", 0.0), options.get("high", 1.0)
    smallest, largest = train.min(axis=axis), train.max(axis=axis)
    return low + (rows - smallest) * (high - low) / (largest - smallest)


def fitted(kind, options, rows=ROWS):
    transform = kind(**options)
    transform.fit_to(rows)
    return transform


def test_the_transforms_are_registered_under_their_config_names():
    assert transforms["standardize"] is Standardize
    assert transforms["scale"] is Scale


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_the_formula_holds_and_uses_the_training_rows_only(kind, options):
    train, later = ROWS[:30], ROWS[30:] * 2
    before = train.copy()
    out = fitted(kind, options, train).apply(later)
    assert out.dtype == np.float32
    expected = reference(kind, options, train, later)
    np.testing.assert_allclose(out, expected, rtol=2e-7, atol=1e-7)
    np.testing.assert_array_equal(train, before)
    assert not np.shares_memory(out, later)


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_more_rows_than_one_block_are_all_transformed(kind, options):
    rows = np.random.default_rng(1).normal(0, 1, (700_000, 1)).astype(np.float32)
    out = fitted(kind, options, rows).apply(rows)
    np.testing.assert_allclose(out, reference(kind, options, rows, rows), rtol=2e-7, atol=1e-6)


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_E02_a_single_row_is_transformed_as_it_is_among_others(kind, options):
    transform = fitted(kind, options)
    np.testing.assert_array_equal(transform.apply(ROWS[7:8]), transform.apply(ROWS)[7:8])


def test_agrees_with_scikit_learn():
    preprocessing = pytest.importorskip("sklearn.preprocessing", reason="scikit-learn is an oracle")
    rows = ROWS.reshape(50, 12).astype(np.float64)
    for ours, theirs in (
        (Standardize(), preprocessing.StandardScaler()),
        (Scale(low=-2.0, high=5.0), preprocessing.MinMaxScaler((-2, 5))),
    ):
        ours.fit_to(rows)
        np.testing.assert_allclose(ours.apply(rows), theirs.fit_transform(rows), rtol=1e-6)


def test_scale_reaches_both_ends_exactly():
    out = fitted(Scale, {"low": -1.0, "high": 1.0}).apply(ROWS)
    np.testing.assert_array_equal(out.min(axis=0), np.full((4, 3), -1))
    np.testing.assert_array_equal(out.max(axis=0), np.full((4, 3), 1))


@pytest.mark.parametrize("constant", [0, 0.1, 1e6 + 0.1, -3e38])
@pytest.mark.parametrize(("kind", "value"), [(Standardize, 0.0), (Scale, 0.0)])
def test_D12_a_constant_column_keeps_scale_1_and_is_counted(constant, kind, value):
    rows = np.arange(300, dtype=np.float32).reshape(100, 3)
    rows[:, 1] = constant
    transform = fitted(kind, {}, rows)
    assert transform.constant_columns == 1
    np.testing.assert_array_equal(transform.apply(rows)[:, 1], np.full(100, value))
    assert transform.state()["scale"][1] == 1
    shifted = rows[:1] + np.float32(0.5)
    difference = shifted[0, 1].astype(np.float64) - rows[0, 1].astype(np.float64)
    assert transform.apply(shifted)[0, 1] == np.float32(difference)
    transform.fit_to(ROWS)
    assert transform.constant_columns == 0


def test_D12_a_float64_constant_has_scale_1_though_its_mean_is_rounded():
    rows = np.full((6, 1), 0.1)
    assert rows.mean(axis=0) != 0.1
    np.testing.assert_array_equal(fitted(Standardize, {}, rows).apply(rows), np.zeros((6, 1)))


def test_D12_a_constant_column_is_scaled_to_low():
    transform = fitted(Scale, {"low": -1.0, "high": 4.0}, np.full((5, 2), 7.0, np.float32))
    np.testing.assert_array_equal(transform.apply(np.full((1, 2), 7.0)), [[-1, -1]])
    assert transform.constant_columns == 2


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_state_restores_the_transform_bit_for_bit(kind, options):
    first = fitted(kind, options)
    second = kind(**options)
    assert second.state() == {}
    second.load_state(first.state())
    np.testing.assert_array_equal(first.apply(ROWS), second.apply(ROWS))
    assert sorted(first.state()) == sorted(second.state()) == ["offset", "scale"]
    first.state()["scale"][...] = 0
    np.testing.assert_array_equal(first.apply(ROWS), second.apply(ROWS))


GOOD = {"offset": np.zeros(3), "scale": np.ones(3)}


@pytest.mark.parametrize(
    ("state", "per"),
    [
        ({}, "feature"),
        ({"offset": np.zeros(3)}, "feature"),
        (GOOD | {"extra": np.zeros(3)}, "feature"),
        (GOOD | {"scale": np.ones(4)}, "feature"),
        (GOOD | {"scale": np.array([1, 0, 1])}, "feature"),
        (GOOD | {"scale": np.array([1, np.inf, 1])}, "feature"),
        (GOOD | {"offset": np.array([0, np.nan, 0])}, "feature"),
        (GOOD, "all"),
        ({"offset": np.float64(0), "scale": np.float64(1)}, "feature"),
    ],
)
def test_K14_a_state_that_does_not_fit_is_refused(state, per):
    with pytest.raises(CheckpointError) as caught:
        Standardize(per=per).load_state(state)
    assert caught.value.fault == "K14"


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_apply_before_fit_is_refused(kind, options):
    with pytest.raises(DataError, match="before fit_to or load_state"):
        kind(**options).apply(ROWS)


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_D10_D05_nothing_or_nan_to_fit_to_is_refused(kind, options):
    with pytest.raises(DataError, match=r"\(0, 4, 3\)") as caught:
        kind(**options).fit_to(ROWS[:0])
    assert caught.value.fault == "D10"
    for bad in (np.nan, np.inf, -np.inf):
        rows = ROWS.copy()
        rows[3, 1, 1] = bad
        with pytest.raises(DataError, match="NaN or infinity") as caught:
            kind(**options).fit_to(rows)
        assert caught.value.fault == "D05"


def test_E01_rows_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"\(5, 2\).*\(4, 3\)") as caught:
        fitted(Standardize, {}).apply(np.zeros((1, 5, 2), np.float32))
    assert caught.value.fault == "E01"
    assert fitted(Standardize, {"per": "all"}).apply(np.zeros((1, 5, 2))).shape == (1, 5, 2)


def test_D27_a_result_that_overflows_float32_is_refused():
    transform = fitted(Scale, {}, np.array([[0], [1e-3]], np.float32))
    with pytest.raises(DataError, match="not a finite float32") as caught:
        transform.apply(np.array([[3e38]], np.float32))
    assert caught.value.fault == "D27"


@pytest.mark.parametrize(
    ("kind", "options"),
    [(Scale, {"low": 1.0}), (Scale, {"low": 2.0, "high": 1.0})],
)
def test_arguments_out_of_range_are_refused(kind, options):
    with pytest.raises(ParameterError):
        kind(**options)

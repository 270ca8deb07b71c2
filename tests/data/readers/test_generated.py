"""Generated data sets: what they hold, and that it follows from the seed alone."""

import numpy as np
import pytest

from dgrad.data import (
    IGNORED,
    make_addition,
    make_blobs,
    make_friedman,
    make_moons,
    make_spirals,
)
from dgrad.data.readers.draws import distinct, normal, uniform
from dgrad.errors import ParameterError
from dgrad.randomness import Purpose, philox

MAKERS = [make_addition, make_blobs, make_friedman, make_moons, make_spirals]
POINTS = [make_blobs, make_moons, make_spirals]


def same(first, second):
    return all(np.array_equal(getattr(first, n), getattr(second, n)) for n in ("inputs", "targets"))


@pytest.mark.parametrize("make", MAKERS)
def test_T37_the_rows_follow_from_the_seed_alone(make):
    first = make(rows=60, seed=2**63)
    np.random.seed(5)  # noqa: NPY002 - the global state must not matter
    again, other = make(rows=60, seed=2**63), make(rows=60, seed=1)
    assert same(first, again)
    assert first.sources == again.sources
    assert not same(first, other)
    assert first.sources != other.sources
    assert first.sources[0].path == f"{make.__name__.removeprefix('make_')} (generated)"


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("seed", [-1, 2**64])
def test_C27_a_seed_out_of_range_is_refused(make, seed):
    with pytest.raises(ParameterError, match="seed must be"):
        make(seed=seed)


@pytest.mark.parametrize("make", POINTS)
@pytest.mark.parametrize("rows", [1, 2, 7, 1000])
def test_points_are_numbers_with_a_class_each(make, rows):
    dataset = make(rows=rows)
    classes = dataset.classes
    assert (dataset.inputs.shape, dataset.inputs.dtype) == ((rows, 2), np.float32)
    assert np.isfinite(dataset.inputs).all()
    assert dataset.targets.tolist() == [i % classes for i in range(rows)]
    assert dataset.class_names == tuple(str(i) for i in range(classes))
    assert dataset.feature_names == ("x0", "x1")
    assert (dataset.vocabulary, dataset.overlap) == (None, 1)


# ----------------------------------------------------------------------------------------- draws


def test_uniform_numbers_are_the_high_bits_of_philox_words():
    words = philox(3, Purpose.GENERATE, number=4).random_raw(6)
    expected = [[int(word) // 2**11 / 2**53 for word in words[i : i + 3]] for i in (0, 3)]
    assert uniform(3, 4, 2, 3).tolist() == expected
    many = uniform(0, 0, 100_000)
    assert 0 <= many.min() < many.max() < 1
    assert abs(many.mean() - 0.5) < 0.005


def test_normal_numbers_have_the_moments_of_a_normal_distribution():
    many = normal(0, 1, 500, 1000).ravel()
    assert np.isfinite(many).all()
    moments = [np.mean(many**k) for k in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.03)
    share = [np.mean(np.abs(many) < k) for k in (1, 2, 3)]
    np.testing.assert_allclose(share, [0.6827, 0.9545, 0.9973], atol=0.003)
    assert abs(np.mean(many[1:] * many[:-1])) < 0.005


@pytest.mark.parametrize(
    ("total", "count"), [(1, 1), (100, 100), (10**6, 1000), (2**20 + 1, 2**19), (10**12, 5000)]
)
def test_distinct_numbers_are_different_and_from_the_whole_range(total, count):
    found = distinct(total, count, seed=0)
    assert (len(found), len(np.unique(found)), found.dtype) == (count, count, np.int64)
    assert found.min() >= 0
    assert found.max() < total
    if count > 1:
        assert found.max() > 0.9 * total
        assert not (np.diff(found) > 0).all()
        np.testing.assert_array_equal(distinct(total, count // 2, seed=0), found[: count // 2])


# ---------------------------------------------------------------------------------------- points


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("turns", [0.5, 1.5, 3.0])
def test_an_arm_of_a_spiral_winds_with_the_radius(classes, turns):
    dataset = make_spirals(rows=900, classes=classes, turns=turns, noise=0)
    x = dataset.inputs.astype(np.float64)
    radius = np.hypot(*x.T)
    assert radius.max() <= 1
    angle = np.arctan2(x[:, 1], x[:, 0]) / (2 * np.pi)
    gap = angle - turns * radius - dataset.targets / classes
    np.testing.assert_allclose(gap, np.round(gap), atol=1e-5)
    assert abs(np.mean(radius < np.sqrt(0.5)) - 0.5) < 0.06  # evenly over the disc
    far = make_spirals(rows=900, classes=classes, turns=turns, noise=0.1).inputs - x
    np.testing.assert_allclose(far.std(axis=0), 0.1, atol=0.01)


def test_moons_are_those_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is the oracle")
    peer, kinds = datasets.make_moons(4000, noise=None)
    found = make_moons(4000, noise=0)
    for kind in (0, 1):
        ours, theirs = found.inputs[found.targets == kind], peer[kinds == kind]
        apart = np.hypot(*(ours[:, None] - theirs[None]).transpose(2, 0, 1))
        assert apart.min(axis=1).max() < 1e-3  # each of ours is on their curve,
        assert apart.min(axis=0).max() < 0.03  # and all of the curve is drawn
    noisy = make_moons(4000, noise=0.2).inputs - found.inputs
    np.testing.assert_allclose(noisy.std(axis=0), 0.2, atol=0.01)


def test_blobs_lie_around_their_centres():
    dataset = make_blobs(rows=6000, classes=4, features=3, std=0.5)
    exact = make_blobs(rows=6000, classes=4, features=3, std=0)
    centres = exact.inputs[:4]
    assert np.abs(centres).max() < 10
    assert len(np.unique(centres)) == 12
    np.testing.assert_array_equal(exact.inputs, centres[exact.targets])
    far = dataset.inputs - exact.inputs
    np.testing.assert_allclose(far.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(far.std(axis=0), 0.5, atol=0.02)


# -------------------------------------------------------------------------------------- numbers


def test_friedman_is_that_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is the oracle")
    exact, noisy = make_friedman(5000, noise=0), make_friedman(5000, noise=0.5)

    class SameInputs(np.random.RandomState):
        def uniform(self, size):
            return exact.inputs.astype(np.float64).reshape(size)

    _, peer = datasets.make_friedman1(5000, noise=0, random_state=SameInputs())
    np.testing.assert_allclose(exact.targets, peer, rtol=1e-5, atol=1e-5)  # inputs are float32
    np.testing.assert_array_equal(noisy.inputs, exact.inputs)
    far = noisy.targets - exact.targets
    np.testing.assert_allclose([far.mean(), far.std()], [0, 0.5], atol=0.02)
    assert (exact.inputs.shape, exact.targets.shape) == ((5000, 10), (5000,))
    assert (exact.inputs.dtype, exact.targets.dtype) == (np.float32, np.float32)
    assert exact.feature_names == tuple(f"x{i}" for i in range(1, 11))
    assert exact.class_names is None
    np.testing.assert_allclose(exact.inputs.mean(axis=0), 0.5, atol=0.02)


# -------------------------------------------------------------------------------------- addition


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("digits", [1, 2, 3, 6])
def test_every_row_is_a_sum_that_is_right(digits, reverse):
    dataset = make_addition(digits, rows=100, reverse=reverse)
    assert dataset.vocabulary == dataset.class_names == tuple("+0123456789=")
    assert dataset.inputs.shape == dataset.targets.shape == (100, 3 * digits + 2)
    assert dataset.inputs.dtype == dataset.targets.dtype == np.int64
    pairs = set()
    for row, following in zip(dataset.inputs, dataset.targets, strict=True):
        hidden = 2 * digits + 1
        assert (following[:hidden] == IGNORED).all()
        np.testing.assert_array_equal(row[hidden + 1 :], following[hidden:-1])
        text = "".join(dataset.vocabulary[token] for token in row[: hidden + 1])
        answer = "".join(dataset.vocabulary[token] for token in following[hidden:])
        first, second = text.removesuffix("=").split("+")
        assert (len(first), len(second), len(answer)) == (digits, digits, digits + 1)
        assert int(first) + int(second) == int(answer[::-1] if reverse else answer)
        pairs.add((first, second))
    assert len(pairs) == 100


def test_all_sums_of_one_digit_are_there():
    dataset = make_addition(1, rows=100)
    assert len(np.unique(dataset.inputs[:, :3], axis=0)) == 100


def test_C08_more_sums_than_there_are_pairs_are_refused():
    with pytest.raises(ParameterError, match="rows must be at most the 100 pairs there are"):
        make_addition(1, rows=101)


def test_the_first_sums_are_the_same_in_every_version():
    dataset = make_addition(3, rows=4, seed=1)
    texts = ["".join(dataset.vocabulary[token] for token in row) for row in dataset.inputs]
    assert texts == ["283+486=076", "234+216=045", "632+566=119", "418+102=052"]

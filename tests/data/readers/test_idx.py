"""The IDX reader: every number type, and every field of the header broken."""

import gzip
import math
import struct
from pathlib import Path

import numpy as np
import pytest

from dgrad.data import read_idx
from dgrad.errors import DataError
from dgrad.registry import readers

MNIST = Path(__file__).parents[4] / "shared" / "data"
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(values, dtype="u1", shape=None, code=None):
    values = np.asarray(values)
    shape = values.shape if shape is None else shape
    header = struct.pack(">HBB", 0, CODES[dtype] if code is None else code, len(shape))
    return header + struct.pack(f">{len(shape)}I", *shape) + values.astype(">" + dtype).tobytes()


IMAGES = idx(np.arange(24).reshape(3, 2, 4))
LABELS = idx([2, 0, 2])


def write(folder, images=IMAGES, labels=LABELS, suffix=""):
    for name, content in (("images", images), ("labels", labels)):
        content = gzip.compress(content, mtime=0) if suffix else content
        (folder / (name + suffix)).write_bytes(content)
    return folder / ("images" + suffix), folder / ("labels" + suffix)


def read(folder, **contents):
    images, labels = write(folder, **contents)
    return read_idx(images, labels=labels)


def refused(folder, fault, *patterns, **contents):
    with pytest.raises(DataError) as caught:
        read(folder, **contents)
    assert caught.value.fault == fault
    for pattern in (str(folder), *patterns):
        assert pattern in caught.value.message


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_images_and_labels_become_one_dataset(tmp_path, suffix):
    dataset = read(tmp_path, suffix=suffix)
    assert dataset.inputs.dtype == np.float32
    np.testing.assert_array_equal(dataset.inputs, np.arange(24).reshape(3, 2, 4))
    assert dataset.targets.dtype == np.int64
    assert dataset.targets.tolist() == [2, 0, 2]
    assert dataset.class_names == ("0", "1", "2")
    assert dataset.feature_names is None
    assert [Path(source.path).name for source in dataset.sources] == [
        "images" + suffix,
        "labels" + suffix,
    ]


def test_the_reader_is_registered_under_its_config_name():
    assert readers["idx"] is read_idx


@pytest.mark.parametrize("dtype", CODES)
@pytest.mark.parametrize("shape", [(6,), (3, 2), (2, 3, 1), (1, 2, 1, 3, 1)])
def test_every_type_and_rank_is_read_big_endian(tmp_path, dtype, shape):
    values = np.array([0, 1, 100, 127, 2, 3] if dtype[1] == "1" else [0, 1, -300, 2**14, 2, 3])
    values = values.reshape(shape)
    labels = idx([0] * shape[0], "i4")
    dataset = read(tmp_path, images=idx(values, dtype), labels=labels)
    np.testing.assert_array_equal(
        dataset.inputs, values.reshape(shape if len(shape) > 1 else (6, 1))
    )


def test_mnist_test_images(tmp_path):
    if not MNIST.is_dir():
        pytest.skip("the MNIST files are not beside this repository")
    dataset = read_idx(
        MNIST / "t10k-images-idx3-ubyte.gz", labels=MNIST / "t10k-labels-idx1-ubyte.gz"
    )
    assert dataset.inputs.shape == (10_000, 28, 28)
    assert (dataset.inputs.min(), dataset.inputs.max()) == (0, 255)
    counts = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert np.bincount(dataset.targets).tolist() == counts


@pytest.mark.parametrize(("bad", "fault"), [(math.nan, "D05"), (math.inf, "D05"), (1e39, "D27")])
def test_D05_D27_values_that_are_not_finite_float32_are_refused(tmp_path, bad, fault):
    images = idx(np.array([[0, 1], [2, bad], [3, 4]]), "f8")
    refused(tmp_path, fault, "the value at (1, 1) is", images=images)


@pytest.mark.parametrize(
    ("labels", "pattern"),
    [
        (idx([0, -1, 2], "i1"), "label 1 (counted from 0) is -1"),
        (idx([0, 1, 2**31 - 1], "i4"), "is 2147483647, expected 0 to 65535"),
        (idx([0, 1.5, 2], "f4"), "whole numbers"),
        (idx([[0], [1], [2]]), "are images and labels swapped?"),
    ],
)
def test_D08_labels_that_are_no_class_indices_are_refused(tmp_path, labels, pattern):
    refused(tmp_path, "D08", pattern, labels=labels)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_D10_no_examples(tmp_path, suffix):
    refused(
        tmp_path, "D10", "declares no examples", images=idx([], shape=(0, 2**31)), suffix=suffix
    )
    refused(tmp_path, "D10", "the file is empty", images=b"", suffix=suffix)


def test_D16_a_gzip_bomb_stops_at_the_declared_size(tmp_path):
    refused(tmp_path, "D16", "than the 40 bytes", images=IMAGES + bytes(2**20), suffix=".gz")


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("images", "pattern"),
    [
        (b"\x01" + IMAGES[1:], "it starts with 01 00 08 03"),
        (b"\x00\x08\x08" + IMAGES[3:], "not an IDX file"),
        (idx([[1]], code=0x0A), "not an IDX file"),
        (idx(1, shape=()), "not an IDX file"),
        (idx(np.zeros([1] * 33)), "not an IDX file"),
        (b"PK", "it starts with 50 4b,"),
        (IMAGES[:10], "cut off"),
        (IMAGES[:-1], "40 bytes, but there are 39"),
        (idx(np.arange(24), shape=(3, 2, 5)), "46 bytes, but there are 40"),
        (idx(np.arange(24), shape=(2**32 - 1,) * 3), "expected 1 to 2,147,483,648"),
        (idx(np.arange(24), shape=(3, 2**32 - 1, 0)), "expected 1 to"),
        (idx(np.arange(24), shape=(2**16, 2**14 - 1)), "but there are 36"),
    ],
)
def test_D17_a_broken_header_is_refused(tmp_path, images, pattern, suffix):
    refused(tmp_path, "D17", pattern, images=images, suffix=suffix)


def test_D17_bytes_after_the_array_are_refused(tmp_path):
    refused(tmp_path, "D17", "40 bytes, but there are 41", images=IMAGES + b"\0")


def test_D17_image_and_label_counts_must_agree(tmp_path):
    refused(tmp_path, "D17", "3 examples", "2 labels", "labels holds", labels=idx([0, 1]))


def test_a_damaged_file_is_read_or_refused_but_never_crashes(tmp_path):
    rng = np.random.default_rng(0)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(1000):
        images, labels = bytearray(IMAGES), bytearray(LABELS)
        for content in (images, labels):
            content[rng.integers(0, len(content))] = rng.choice([0, 1, 2, 3, 8, 9, 14, 127, 255])
        try:
            read(tmp_path, images=images, labels=labels)
            outcomes["read"] += 1
        except DataError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 100

"""Data: readers, data sets, splits, transforms and batches; importing it registers all of them."""

from dgrad.data.dataset import Dataset, Source
from dgrad.data.files import MAX_CONTENT, read_source
from dgrad.data.loader import Batches, permutation
from dgrad.data.readers import (
    make_addition,
    make_blobs,
    make_friedman,
    make_moons,
    make_spirals,
    read_csv,
    read_idx,
    read_text,
)
from dgrad.data.split import Split, as_slice, split, split_in_order
from dgrad.data.split_checks import check_classes, duplicate_rows, unseen_classes
from dgrad.data.transforms import Scale, Standardize, Transform
from dgrad.targets import IGNORED

__all__ = [
    "IGNORED",
    "MAX_CONTENT",
    "Batches",
    "Dataset",
    "Scale",
    "Source",
    "Split",
    "Standardize",
    "Transform",
    "as_slice",
    "check_classes",
    "duplicate_rows",
    "make_addition",
    "make_blobs",
    "make_friedman",
    "make_moons",
    "make_spirals",
    "permutation",
    "read_csv",
    "read_idx",
    "read_source",
    "read_text",
    "split",
    "split_in_order",
    "unseen_classes",
]

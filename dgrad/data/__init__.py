"""Data: readers, data sets, splits, transforms and batches; importing it registers all of them."""

from dgrad.data.dataset import Dataset, Source
from dgrad.data.files import MAX_CONTENT, read_source
from dgrad.data.loader import Batches, permutation
from dgrad.data.readers import read_csv, read_idx
from dgrad.data.split import Split, check_classes, duplicate_rows, split
from dgrad.data.transforms import Scale, Standardize, Transform

__all__ = [
    "MAX_CONTENT",
    "Batches",
    "Dataset",
    "Scale",
    "Source",
    "Split",
    "Standardize",
    "Transform",
    "check_classes",
    "duplicate_rows",
    "permutation",
    "read_csv",
    "read_idx",
    "read_source",
    "split",
]

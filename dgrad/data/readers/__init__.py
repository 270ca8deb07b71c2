"""Readers: one format or generated set each, in `dgrad.registry.readers` by its config name."""

from dgrad.data.readers.addition import make_addition
from dgrad.data.readers.blobs import make_blobs
from dgrad.data.readers.csv import read_csv
from dgrad.data.readers.friedman import make_friedman
from dgrad.data.readers.idx import read_idx
from dgrad.data.readers.moons import make_moons
from dgrad.data.readers.spirals import make_spirals
from dgrad.data.readers.text import read_text

__all__ = [
    "make_addition",
    "make_blobs",
    "make_friedman",
    "make_moons",
    "make_spirals",
    "read_csv",
    "read_idx",
    "read_text",
]

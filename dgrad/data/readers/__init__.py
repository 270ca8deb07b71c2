"""Readers: one file format each, entered in `dgrad.registry.readers` under its config name."""

from dgrad.data.readers.csv import read_csv
from dgrad.data.readers.idx import read_idx
from dgrad.data.readers.text import read_text

__all__ = ["read_csv", "read_idx", "read_text"]

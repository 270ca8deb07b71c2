"""Configs: strict YAML with positions, checked against the signatures of what it names."""

from dgrad.config.document import Config, load
from dgrad.config.tree import dump

__all__ = ["Config", "dump", "load"]

"""Whole-function tools on top of the engine: gradient checks."""

from dgrad.functional.components import check_all, check_layer, check_model, check_op
from dgrad.functional.gradcheck import gradcheck, gradgradcheck
from dgrad.functional.report import Check, Entry, Report

__all__ = [
    "Check",
    "Entry",
    "Report",
    "check_all",
    "check_layer",
    "check_model",
    "check_op",
    "gradcheck",
    "gradgradcheck",
]

"""Whole-function tools on top of the engine: gradient checks, transforms, seeing the graph."""

from dgrad.functional.components import check_all, check_layer, check_op
from dgrad.functional.explain import Explanation, explain_grad
from dgrad.functional.gradcheck import gradcheck, gradgradcheck
from dgrad.functional.graph import Graph, GraphNode, graph
from dgrad.functional.models import check_model
from dgrad.functional.profile import OpProfile, profile
from dgrad.functional.report import Check, Entry, Report
from dgrad.functional.spans import Spans, record_layers
from dgrad.functional.summary import LayerSummary, Summary, summarize
from dgrad.functional.transforms import hessian, hvp, jacobian, jvp, vhp, vjp

__all__ = [
    "Check",
    "Entry",
    "Explanation",
    "Graph",
    "GraphNode",
    "LayerSummary",
    "OpProfile",
    "Report",
    "Spans",
    "Summary",
    "check_all",
    "check_layer",
    "check_model",
    "check_op",
    "explain_grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "profile",
    "record_layers",
    "summarize",
    "vhp",
    "vjp",
]

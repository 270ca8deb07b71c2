"""dgrad: train models from YAML on a dynamic-graph autodiff core over NumPy."""

__version__ = "0.1.0"

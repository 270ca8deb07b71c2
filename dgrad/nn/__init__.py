"""Layers, losses and initialisation: one file per family, PyTorch's names."""

from dgrad.nn import init
from dgrad.nn.activation import (
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from dgrad.nn.attention import CrossAttention, MultiheadAttention, SelfAttention
from dgrad.nn.composition import Block, Composite, Parallel, Repeat, Residual
from dgrad.nn.container import ModuleList, Sequential
from dgrad.nn.dropout import Dropout
from dgrad.nn.embedding import Embedding
from dgrad.nn.graph import Graph
from dgrad.nn.linear import Identity, Linear
from dgrad.nn.loss import BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss
from dgrad.nn.merge import Add, Concat, Multiply
from dgrad.nn.module import LoadResult, Module, Parameter
from dgrad.nn.position import PositionEmbedding, RotaryEmbedding, SinusoidalPositionEmbedding
from dgrad.nn.shape import Flatten

__all__ = [
    "GELU",
    "Add",
    "BCEWithLogitsLoss",
    "Block",
    "Composite",
    "Concat",
    "CrossAttention",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
    "Graph",
    "Identity",
    "LeakyReLU",
    "Linear",
    "LoadResult",
    "LogSoftmax",
    "Loss",
    "MSELoss",
    "Module",
    "ModuleList",
    "MultiheadAttention",
    "Multiply",
    "Parallel",
    "Parameter",
    "PositionEmbedding",
    "ReLU",
    "Repeat",
    "Residual",
    "RotaryEmbedding",
    "SelfAttention",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SinusoidalPositionEmbedding",
    "Softmax",
    "Softplus",
    "Tanh",
    "init",
]

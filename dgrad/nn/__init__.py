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
from dgrad.nn.container import ModuleList, Sequential
from dgrad.nn.dropout import Dropout
from dgrad.nn.embedding import Embedding
from dgrad.nn.linear import Identity, Linear
from dgrad.nn.loss import BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss
from dgrad.nn.module import LoadResult, Module, Parameter
from dgrad.nn.position import PositionEmbedding, RotaryEmbedding, SinusoidalPositionEmbedding
from dgrad.nn.shape import Flatten

__all__ = [
    "GELU",
    "BCEWithLogitsLoss",
    "CrossAttention",
    "CrossEntropyLoss",
    "Dropout",
    "Embedding",
    "Flatten",
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
    "Parameter",
    "PositionEmbedding",
    "ReLU",
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

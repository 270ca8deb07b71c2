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
from dgrad.nn.batch_normalization import BatchNorm, BatchNorm1d, BatchNorm2d
from dgrad.nn.composition import Block, Composite, Parallel, Repeat, Residual
from dgrad.nn.container import ModuleList, Sequential
from dgrad.nn.convolution import Conv1d, Conv2d
from dgrad.nn.dropout import Dropout, Dropout2d
from dgrad.nn.embedding import Embedding
from dgrad.nn.graph import Graph
from dgrad.nn.layer_normalization import (
    GroupNorm,
    InstanceNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    LayerNorm,
    RMSNorm,
)
from dgrad.nn.linear import Identity, Linear
from dgrad.nn.loss import BCEWithLogitsLoss, CrossEntropyLoss, Loss, MSELoss
from dgrad.nn.merge import Add, Concat, Multiply
from dgrad.nn.module import LoadResult, Module, Parameter
from dgrad.nn.pooling import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d
from dgrad.nn.position import PositionEmbedding, RotaryEmbedding, SinusoidalPositionEmbedding
from dgrad.nn.recurrent import GRU, LSTM, RNN
from dgrad.nn.recurrent_cell import GRUCell, LSTMCell, RNNCell
from dgrad.nn.sequence import Lengths, PaddingMask, SequencePool
from dgrad.nn.shape import Flatten

__all__ = [
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "Add",
    "AvgPool1d",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "Block",
    "Composite",
    "Concat",
    "Conv1d",
    "Conv2d",
    "CrossAttention",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "GRUCell",
    "Graph",
    "GroupNorm",
    "Identity",
    "InstanceNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Lengths",
    "Linear",
    "LoadResult",
    "LogSoftmax",
    "Loss",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "Module",
    "ModuleList",
    "MultiheadAttention",
    "Multiply",
    "PaddingMask",
    "Parallel",
    "Parameter",
    "PositionEmbedding",
    "RMSNorm",
    "RNNCell",
    "ReLU",
    "Repeat",
    "Residual",
    "RotaryEmbedding",
    "SelfAttention",
    "SequencePool",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SinusoidalPositionEmbedding",
    "Softmax",
    "Softplus",
    "Tanh",
    "init",
]

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
from dgrad.nn.binary_loss import (
    BCELoss,
    BCEWithLogitsLoss,
    HingeEmbeddingLoss,
    HingeLoss,
    SigmoidFocalLoss,
    SoftMarginLoss,
)
from dgrad.nn.classification_loss import (
    CrossEntropyLoss,
    FocalLoss,
    MultiMarginLoss,
    NLLLoss,
)
from dgrad.nn.composition import Block, Composite, Parallel, Repeat, Residual
from dgrad.nn.container import ModuleList, Sequential
from dgrad.nn.convolution import Conv1d, Conv2d
from dgrad.nn.ctc_loss import CTCLoss
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
from dgrad.nn.loss import Loss
from dgrad.nn.merge import Add, Concat, Multiply
from dgrad.nn.module import LoadResult, Module, Parameter
from dgrad.nn.pooling import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d
from dgrad.nn.position import PositionEmbedding, RotaryEmbedding, SinusoidalPositionEmbedding
from dgrad.nn.recurrent import GRU, LSTM, RNN
from dgrad.nn.recurrent_cell import GRUCell, LSTMCell, RNNCell
from dgrad.nn.regression_loss import (
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    PoissonNLLLoss,
    SmoothL1Loss,
)
from dgrad.nn.sequence import Lengths, PaddingMask, SequencePool
from dgrad.nn.shape import Flatten
from dgrad.nn.similarity_loss import CosineEmbeddingLoss, CosineLoss, TripletMarginLoss
from dgrad.nn.transformer import TransformerDecoderLayer, TransformerEncoderLayer

__all__ = [
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "Add",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "Block",
    "CTCLoss",
    "Composite",
    "Concat",
    "Conv1d",
    "Conv2d",
    "CosineEmbeddingLoss",
    "CosineLoss",
    "CrossAttention",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout2d",
    "Embedding",
    "Flatten",
    "FocalLoss",
    "GRUCell",
    "Graph",
    "GroupNorm",
    "HingeEmbeddingLoss",
    "HingeLoss",
    "HuberLoss",
    "Identity",
    "InstanceNorm",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "KLDivLoss",
    "L1Loss",
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
    "MultiMarginLoss",
    "MultiheadAttention",
    "Multiply",
    "NLLLoss",
    "PaddingMask",
    "Parallel",
    "Parameter",
    "PoissonNLLLoss",
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
    "SigmoidFocalLoss",
    "SinusoidalPositionEmbedding",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "Softmax",
    "Softplus",
    "Tanh",
    "TransformerDecoderLayer",
    "TransformerEncoderLayer",
    "TripletMarginLoss",
    "init",
]

"""Layers, losses and initialisation: one file per family, PyTorch's names."""

from dgrad.nn import init
from dgrad.nn.activation import (
    GELU,
    GLU,
    LogSigmoid,
    LogSoftmax,
    Mish,
    Sigmoid,
    SiLU,
    Softmax,
    Softmin,
    Softplus,
    Softsign,
    Tanh,
    Tanhshrink,
)
from dgrad.nn.adaptive_pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    GlobalAvgPool,
    GlobalMaxPool,
)
from dgrad.nn.attention import CrossAttention, SelfAttention
from dgrad.nn.batch_normalization import BatchNorm, BatchNorm1d, BatchNorm2d
from dgrad.nn.binary_loss import (
    BCELoss,
    BCEWithLogitsLoss,
    HingeEmbeddingLoss,
    HingeLoss,
    SigmoidFocalLoss,
    SoftMarginLoss,
)
from dgrad.nn.classification_loss import CrossEntropyLoss, FocalLoss, MultiMarginLoss, NLLLoss
from dgrad.nn.composition import Block, Composite, Parallel, Repeat, Residual
from dgrad.nn.container import ModuleList, Sequential
from dgrad.nn.convolution import Conv1d, Conv2d
from dgrad.nn.ctc_loss import CTCLoss
from dgrad.nn.dropout import Dropout, Dropout2d
from dgrad.nn.embedding import Embedding
from dgrad.nn.graph import Graph
from dgrad.nn.group_normalization import (
    GroupNorm,
    InstanceNorm,
    InstanceNorm1d,
    InstanceNorm2d,
)
from dgrad.nn.layer_normalization import LayerNorm, RMSNorm
from dgrad.nn.linear import Bilinear, Identity, Linear
from dgrad.nn.loss import Loss
from dgrad.nn.merge import Add, Concat, Multiply
from dgrad.nn.module import LoadResult, Module, Parameter
from dgrad.nn.multihead_attention import MultiheadAttention
from dgrad.nn.piecewise_activation import (
    CELU,
    ELU,
    SELU,
    Hardshrink,
    Hardsigmoid,
    Hardswish,
    Hardtanh,
    LeakyReLU,
    PReLU,
    ReLU,
    ReLU6,
    RReLU,
    Softshrink,
    Threshold,
)
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
from dgrad.nn.shape import Flatten, Pad, Permute, Reshape, Unflatten
from dgrad.nn.similarity_loss import CosineEmbeddingLoss, CosineLoss, TripletMarginLoss
from dgrad.nn.transformer import TransformerDecoderLayer, TransformerEncoderLayer
from dgrad.nn.transposed_convolution import ConvTranspose1d, ConvTranspose2d
from dgrad.nn.upsample import Upsample

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "GRU",
    "LSTM",
    "RNN",
    "SELU",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "Add",
    "AvgPool1d",
    "AvgPool2d",
    "BCELoss",
    "BCEWithLogitsLoss",
    "BatchNorm",
    "BatchNorm1d",
    "BatchNorm2d",
    "Bilinear",
    "Block",
    "CTCLoss",
    "Composite",
    "Concat",
    "Conv1d",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
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
    "GlobalAvgPool",
    "GlobalMaxPool",
    "Graph",
    "GroupNorm",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
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
    "LogSigmoid",
    "LogSoftmax",
    "Loss",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "Mish",
    "Module",
    "ModuleList",
    "MultiMarginLoss",
    "MultiheadAttention",
    "Multiply",
    "NLLLoss",
    "PReLU",
    "Pad",
    "PaddingMask",
    "Parallel",
    "Parameter",
    "Permute",
    "PoissonNLLLoss",
    "PositionEmbedding",
    "RMSNorm",
    "RNNCell",
    "RReLU",
    "ReLU",
    "ReLU6",
    "Repeat",
    "Reshape",
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
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "TransformerDecoderLayer",
    "TransformerEncoderLayer",
    "TripletMarginLoss",
    "Unflatten",
    "Upsample",
    "init",
]

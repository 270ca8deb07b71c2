"""Learning-rate schedules: functions from the number of steps done to a factor of the lr.

length               steps, epochs or percent of the run
schedule             Schedule, the base, with the warm-up that all have
constant             constant
step                 step, multistep
decay                linear, polynomial, exponential
cosine               cosine, cosine_restarts
one_cycle            one_cycle
inverse_sqrt         inverse_sqrt
warmup_stable_decay  warmup_stable_decay
plateau              plateau, which goes by results
chain                chain: schedules one after another
"""

from dgrad.optim.schedules.chain import Chain
from dgrad.optim.schedules.constant import Constant
from dgrad.optim.schedules.cosine import Cosine, CosineRestarts
from dgrad.optim.schedules.decay import Exponential, Linear, Polynomial
from dgrad.optim.schedules.inverse_sqrt import InverseSqrt
from dgrad.optim.schedules.length import NONE, Length
from dgrad.optim.schedules.one_cycle import OneCycle
from dgrad.optim.schedules.plateau import Plateau
from dgrad.optim.schedules.schedule import Schedule
from dgrad.optim.schedules.step import MultiStep, Step
from dgrad.optim.schedules.warmup_stable_decay import WarmupStableDecay

__all__ = [
    "NONE",
    "Chain",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Exponential",
    "InverseSqrt",
    "Length",
    "Linear",
    "MultiStep",
    "OneCycle",
    "Plateau",
    "Polynomial",
    "Schedule",
    "Step",
    "WarmupStableDecay",
]

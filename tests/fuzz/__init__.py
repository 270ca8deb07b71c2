"""Seeded random programs over the op table, and four ways to differentiate them.

`python -m tests.fuzz --seeds N [--start K]` runs N programs of 5 to 60 steps: smooth ops of the
registry near their examples, elementwise steps, views, in-place writes, values used many times or
not at all, several outputs. The same steps run on Tensors and on plain arrays, also complex ones.
Reverse mode, its recorded form, and forward mode (vjp of the vjp) must agree with each other and
with the complex step, or with finite differences where an op is not analytic.
"""

from tests.fuzz.agreement import Disagreement, check
from tests.fuzz.participants import smooth_ops
from tests.fuzz.programs import Program, program_of

__all__ = ["Disagreement", "Program", "check", "program_of", "smooth_ops"]

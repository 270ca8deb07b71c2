"""Run many seeds of the fuzzer, and print what disagrees."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from tests.fuzz import check, program_of, smooth_ops


def main() -> int:
    """Run many seeds; print counts and every failing program."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, metavar="N")
    parser.add_argument("--start", type=int, default=0, metavar="K", help="the first seed")
    parser.add_argument("--no-in-place", action="store_true", help="leave out writes")
    options = parser.parse_args()
    in_place = not options.no_in_place
    counts: Counter[str] = Counter()
    used: Counter[str] = Counter()
    for seed in range(options.start, options.start + options.seeds):
        program = program_of(seed, in_place=in_place)
        used.update({step.text for step in program.steps} & smooth_ops().keys())
        try:
            counts[check(program)] += 1
        except Exception as error:  # whatever a program meets is a finding
            counts["failed"] += 1
            print(f"seed {seed}: {type(error).__name__}: {error}")
            for place, step in enumerate(program.steps, len(program.leaves)):
                print(f"    {place}: {step}")
    for label, count in sorted(counts.items()):
        print(f"{count:8} {label}")
    never = sorted(smooth_ops().keys() - used.keys())
    print(f"{len(used)} of {len(smooth_ops())} smooth ops used; in-place writes: {in_place}")
    if never:
        print(f"never used: {', '.join(never)}")
    return int(counts["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())

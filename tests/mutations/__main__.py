"""Run the mutation check over the op table, and print what survives."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from typing import Any

import dgrad  # noqa: F401 - registers the ops
from tests.mutations.allowed import ALLOWED
from tests.mutations.explicit import Written, with_written_tests
from tests.mutations.mutants import Mutant, Table, mutants
from tests.mutations.rules import Rules, op_names

BAR = 2.0  # per cent of the mutants that may survive
OUTCOMES = ("wrong", "error", "tests", "allowed", "survived")


def main() -> int:
    """Parse the command line; run here, or in several processes whose results are joined."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--op", nargs="+", metavar="NAME", help="only the rules of these ops")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes")
    parser.add_argument("--table-only", action="store_true", help="leave out the written tests")
    parser.add_argument("--share", help=argparse.SUPPRESS)  # "1/4": the second quarter, as JSON
    options = parser.parse_args()
    unknown = sorted(set(options.op or ()) - set(op_names()))
    if unknown:
        parser.error(f"no differentiable op is called {', '.join(unknown)}")
    if options.share:
        index, count = map(int, options.share.split("/"))
        print(json.dumps(run(options.op, index, count, options.table_only)))
        return 0
    if options.jobs > 1:
        return report(parallel(options.jobs))
    return report([run(options.op, 0, 1, options.table_only)])


def parallel(jobs: int) -> list[dict[str, Any]]:
    """The results of so many processes, each with its share of the mutants."""
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.mutations", *sys.argv[1:], "--share", f"{i}/{jobs}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(jobs)
    ]
    outputs = [process.communicate()[0] for process in started]
    return [json.loads(text.splitlines()[-1]) for text in outputs]


def run(only: list[str] | None, index: int, count: int, table_only: bool) -> dict[str, Any]:
    """Counts per kind and outcome, and the survivors, of every count-th mutant."""
    rules, table = Rules(), Table()
    chosen = mutants(rules, None if only is None else set(only))[index::count]
    counts: Counter[tuple[str, str]] = Counter()
    unnoticed: list[Mutant] = []
    for mutant in chosen:
        outcome = table.notices(mutant)
        if outcome:
            counts[mutant.kind, outcome] += 1
        else:
            unnoticed.append(mutant)
    survivors: list[Mutant] = []
    failing: list[str] = []

    def written(tests: Written) -> None:
        failing.extend(tests.failing)
        for mutant in unnoticed:
            if tests.notice(mutant):
                counts[mutant.kind, "tests"] += 1
            else:
                survivors.append(mutant)

    if table_only or not unnoticed:
        survivors = unnoticed
    else:
        with_written_tests(["tests/ops"], written)
    for mutant in survivors:
        counts[mutant.kind, "allowed" if mutant.key in ALLOWED else "survived"] += 1
    return {
        "counts": [[kind, outcome, n] for (kind, outcome), n in counts.items()],
        "survivors": [[m.kind, m.where, m.key] for m in survivors if m.key not in ALLOWED],
        "allowed": [m.key for m in survivors if m.key in ALLOWED],
        "broken": table.broken,
        "failing": failing,
        "without": sorted(set(only or op_names()) - set(rules.declared)),
    }


def report(results: list[dict[str, Any]]) -> int:
    """Print the counts and survivors; 1 when too many survive or an op could not be tried."""
    counts: Counter[tuple[str, str]] = Counter()
    for result in results:
        counts.update({(kind, outcome): n for kind, outcome, n in result["counts"]})
    print(f"{'mistake':24}" + "".join(f"{name:>10}" for name in OUTCOMES))
    for kind in sorted({kind for kind, _ in counts}):
        print(f"{kind:24}" + "".join(f"{counts[kind, name]:10}" for name in OUTCOMES))
    total = {name: sum(n for (_, o), n in counts.items() if o == name) for name in OUTCOMES}
    print(f"{'all':24}" + "".join(f"{total[name]:10}" for name in OUTCOMES))
    for kind, where, key in sorted({tuple(s) for r in results for s in r["survivors"]}):
        print(f"survived: {where}: {kind}\n    {key}")
    broken = {name: why for r in results for name, why in r["broken"].items()}
    without = sorted({name for r in results for name in r["without"]})
    for name, why in sorted(broken.items()):
        print(f"not tried: {name} fails as it is: {why}")
    for name in without:
        print(f"not tried: no statement was found that gives {name} its rules")
    for name in sorted({f for r in results for f in r["failing"]}):
        print(f"left out: {name} fails as it is")
    tried = sum(total.values()) - total["allowed"]
    share = 100 * total["survived"] / max(tried, 1)
    print(f"{total['survived']} of {tried} mutants survive: {share:.2f} % (fewer than {BAR:g} %)")
    return int(share >= BAR or bool(broken) or bool(without))


if __name__ == "__main__":
    sys.exit(main())

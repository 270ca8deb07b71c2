"""Mutation check: break every rule of every op in many small ways, and see which no test notices.

`python -m tests.mutations [--op NAME ...] [--jobs N]` prints counts and survivors, and fails when
2 % or more of the mutants survive. rules.py finds the source of the rules, edits.py breaks it,
wraps.py breaks their results, checks.py holds the table's checks, explicit.py the written tests.
"""

"""Benchmarks: what the product does in one run, beside the least that could do the same job in the same run.

Rule: a benchmark never fails on a time. `python -m tests.bench --help` says how to run them; the tests of this folder
only show that it still runs.
"""

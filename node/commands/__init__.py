"""One function per thing people and tills do. Every surface calls these; none of them knows HTTP.

Invariant: a command either records everything it means, with its answer, in one transaction, or nothing at all.
"""

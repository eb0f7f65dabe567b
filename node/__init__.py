"""A replica with a face: what a shop runs. It records what tills and people do, and syncs with the hub when it can.

Invariant: an answered command is durable here and waits for nothing outside this machine.
"""

"""The two halves of a session, without I/O: bytes and time in, frames and actions out.

    hello          the decision table: what the two sides make of each other's positions
    node           the half a node drives
    node_actions   what that half asks of its driver
    hub            the half the hub drives

Invariant: a half never waits and never touches the world. It returns actions; a driver carries them out in order and
tells it what came of those that have an outcome.
"""

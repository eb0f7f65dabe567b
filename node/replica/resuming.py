"""What a session's beginning changes in the store, once the hub has said how it stands.

Invariant: all of it is one transaction, so that marks of the hub's former history are never kept beside a new epoch.
"""

import sqlite3

from node.replica import identity, log, recovery, scopes
from protocol.frames.handshake import Welcome
from protocol.session.hello import LocalLog


def take_up(
    db: sqlite3.Connection, welcome: Welcome, clock_offset_ms: int, now_ms: int
) -> LocalLog:
    """Begin the scopes, follow a new epoch or a reset, keep where the hub stands; how the log compares with that."""
    position = identity.read_position(db)
    # First, since a new epoch takes off what is shown where no scope is read.
    scopes.begin(db, welcome.scopes)
    if position.epoch != welcome.epoch and (position.epoch or welcome.reset):
        is_ours = log.chain_at(db, welcome.acked) == welcome.chain
        recovery.begin_epoch(db, welcome.acked if is_ours else None)
    else:
        scopes.start_over(db, welcome.reset)
    # In one transaction: an old `acked` beside the new epoch would make the hub mint another one each time.
    identity.save_epoch(db, welcome.epoch, clock_offset_ms, now_ms)
    identity.save_acked(db, welcome.acked, welcome.stable, now_ms)
    identity.save_let_go(db, None)
    return log.compare(db, welcome.acked, position.acked)

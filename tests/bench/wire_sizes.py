"""How many bytes a node's log is on the wire: the same batches, in the same frames, by the product's own code."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from node.replica import log
from protocol.codec import pack
from protocol.frames.log import Operations
from protocol.ids import Seq
from protocol.limits import BATCH_OPERATIONS_MAX
from protocol.session.node import fill_batch
from protocol.wire import encode
from runtime.connection import connect_reader


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a whole log, in bytes."""

    bodies: int
    """The operations alone."""
    packed: int
    """With their frames, before compression."""
    sent: int
    """As sent."""


def outbox_sizes(database: Path) -> Sizes:
    """Read the log of a node that is not running, and write it out as it would be sent; blocks."""
    bodies = packed = sent = 0
    with closing(connect_reader(database)) as db:
        for frame in batches(db):
            bodies += sum(len(item.body) for item in frame.items)
            packed += 1 + len(pack([frame.TYPE, frame.to_body()]))
            sent += len(encode(frame))
    return Sizes(bodies, packed, sent)


def batches(db: sqlite3.Connection) -> list[Operations]:
    """The whole log in the frames a node would send it in."""
    frames: list[Operations] = []
    at = Seq(0)
    while True:
        prev, items = log.outbox(db, at, BATCH_OPERATIONS_MAX)
        if not items:
            return frames
        batch = tuple(fill_batch(items))
        frames.append(Operations(Seq(at + 1), prev, batch))
        at = Seq(at + len(batch))

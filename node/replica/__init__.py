"""The node's database: its log, what the hub sent, and the view of both.

Invariant: every function here is a plain function of an open transaction. What belongs together is written in one
transaction, so a crash at any moment leaves log, view, movements and answers agreeing with each other.

    identity    who this node is, and where its replica and the feed stand
    log         the operations recorded here, hash-chained; the outbox is its unacknowledged end
    view        own operations joined with the hub's rows: what stock is
    rows        pages of the feed coming in
    scopes      how far each scope was read, and its digest
    movements   the list people search
    stock       reading the view
    search      the index by which SKUs are found, by words (folding) and barcodes; skus: what it finds
    changes     what of it changed, in order, for those who follow it live
    answers     what was answered to which idempotency key
    tokens      who may call
    verify      whether all of it still adds up
"""

from pathlib import Path
from typing import Final

from runtime.migrations import load_schema

SCHEMA: Final = load_schema(Path(__file__).parent)
DATABASE_NAME: Final = "node.sqlite"

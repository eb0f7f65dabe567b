"""Going through a whole location, a few SKUs at a time.

Invariant: when it is done, everything was named that can be raised there: what was ever counted or told of there, what the
location has a level for, and what a rule asks about. A SKU may be named twice.
"""

import sqlite3
from typing import Final

from node.alerting import state
from node.alerting.rules import RuleBook
from node.alerting.state import CHAIN
from node.replica import documents
from node.replica.documents import DocumentQuery
from protocol.declarations.naming import codes_of
from protocol.declarations.shops import LEVELS

PIECE_SKUS: Final = 25


class Sweep:
    """One time through a location, or through what is known of the chain. Not kept: after a restart it begins again."""

    def __init__(self, location: str) -> None:
        self.is_done = False
        self._location = location
        self._counted_after: str | None = ""
        self._levels_cursor: str | None = None
        self._has_levels = location != CHAIN
        self._ruled: list[str] | None = None

    def next_piece(self, db: sqlite3.Connection, rules: RuleBook) -> list[str]:
        """Some SKUs; after the last of them it is done."""
        if self._counted_after is not None:
            return self._counted(db, self._counted_after)
        if self._has_levels:
            return self._levelled(db)
        if self._ruled is None:
            self._ruled = rules.skus(self._location)
        piece, self._ruled = self._ruled[:PIECE_SKUS], self._ruled[PIECE_SKUS:]
        self.is_done = not self._ruled
        return piece

    def _counted(self, db: sqlite3.Connection, after: str) -> list[str]:
        skus = state.skus_after(db, self._location, after, PIECE_SKUS)
        self._counted_after = skus[-1] if len(skus) == PIECE_SKUS else None
        return skus

    def _levelled(self, db: sqlite3.Connection) -> list[str]:
        query = DocumentQuery(
            LEVELS,
            {"location": self._location},
            archived=False,
            limit=PIECE_SKUS,
            cursor=self._levels_cursor,
        )
        page = documents.page(db, query)
        self._levels_cursor = page.following
        self._has_levels = page.following is not None
        return [codes_of(LEVELS, held.id)["sku"] for held in page.items]

"""Who may call this node: the digests of the tokens given out.

Invariant: a token itself is never stored; whoever reads the database cannot call with what is there.
"""

import sqlite3
from typing import Final

from node.commands.requests import Authority, Caller
from runtime.queries import load_queries

_SQL: Final = load_queries(__file__, "tokens.sql")


def add(db: sqlite3.Connection, digest: bytes, caller: Caller, now_ms: int) -> None:
    """Let the holder of the token with this digest call as `caller`."""
    db.execute(
        _SQL["add"],
        {"digest": digest, "name": caller.name, "authority": caller.authority.value, "now": now_ms},
    )


def read_all(db: sqlite3.Connection) -> dict[bytes, Caller]:
    """Every token's digest and who it is."""
    return {
        row["digest"]: Caller(row["name"], Authority(row["authority"]))
        for row in db.execute(_SQL["all"])
    }


def revoke(db: sqlite3.Connection, caller: Caller) -> int:
    """End every token of a caller; returns how many there were."""
    named = {"name": caller.name, "authority": caller.authority.value}
    return db.execute(_SQL["revoke"], named).rowcount

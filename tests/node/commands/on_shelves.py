"""What the view holds of a SKU at a location."""

import sqlite3
from typing import Final

from protocol.effects import Account

_SHOWN: Final = """
    SELECT coalesce(sum(value), 0) FROM counter WHERE sku = ? AND location = ? AND account = ?
"""


def shown(db: sqlite3.Connection, sku: str, location: str) -> tuple[int, int, int]:
    """On hand, reserved and in transit, over all lots."""

    def of(account: Account) -> int:
        found: int = db.execute(_SHOWN, (sku, location, int(account))).fetchone()[0]
        return found

    return of(Account.ON_HAND), of(Account.RESERVED), of(Account.IN_TRANSIT)

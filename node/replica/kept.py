"""Of which locations a node keeps the movements that other nodes record: of those that it writes, and an office of more.

Rule: only an office keeps more, and of what it reads alone; the hub shows nobody else the ledger of a location. Which ones
is a setting of the node and not of the chain: it costs that office's disk and nobody else's.
"""

import sqlite3
from typing import Final, NamedTuple

from node.replica import scopes
from protocol.certificate import ALL, Certificate, Role
from protocol.ids import LOCATION_SCOPES

_STOCK = LOCATION_SCOPES[0]


class Kept(NamedTuple):
    """As it was set."""

    locations: frozenset[str] = frozenset()
    """Beside those that the node writes; `ALL` among them for every one."""

    def includes(self, certificate: Certificate, location: str) -> bool:
        """Whether a node with these rights keeps a location's movements."""
        if location in certificate.writes:
            return True
        if certificate.role is not Role.OFFICE or not certificate.reads_location(location):
            return False
        return ALL in self.locations or location in self.locations


NONE_BESIDE_OWN: Final = Kept()


def locations(db: sqlite3.Connection, certificate: Certificate, kept: Kept) -> list[str]:
    """Those whose movements a node with these rights keeps, by code: its own, and those with stock here that it is to keep."""
    known = (one for one in with_stock(db) if kept.includes(certificate, one))
    return sorted({*certificate.writes, *known})


def with_stock(db: sqlite3.Connection) -> list[str]:
    """The locations whose stock is read here, by code."""
    places = (scope.partition(":") for scope in scopes.held(db))
    return sorted(place for family, _, place in places if family == _STOCK)

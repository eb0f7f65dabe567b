"""Rows: the unit of the feed, of the digest and of what a node stores from the hub.

Invariant: a row's wire form is canonical, the same bytes for every receiver, so both sides hash the same bytes. A
tail that a newer hub adds is kept and hashed with the rest.
"""

from typing import Final, NamedTuple

from protocol.codec import check_plain, pack, read_int, read_list, refuse
from protocol.documents import Document, fields_from_wire, fields_to_wire
from protocol.effects import ACCOUNT_MAX, CounterKey, DocumentKey, scopes_from_wire
from protocol.ids import HubSeq, Location, Lot, Scope, Sku, check_code, stock_scope
from protocol.limits import DOCUMENT_ID_CHARS_MAX, INT_MAX, NAME_CHARS_MAX, PARTS_MAX

_COUNTER: Final = 0
_DOCUMENT: Final = 1


class CounterRow(NamedTuple):
    """A counter's total at `hub_seq`."""

    location: Location
    sku: Sku
    lot: Lot
    account: int
    hub_seq: HubSeq
    total: int
    tail: tuple[object, ...] = ()

    @property
    def key(self) -> CounterKey:
        """What the row is about."""
        return CounterKey(self.location, self.sku, self.lot, self.account)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The one scope a counter is in."""
        return (stock_scope(self.location),)


class DocumentRow(NamedTuple):
    """A document's state at `hub_seq`."""

    collection: str
    id: str
    hub_seq: HubSeq
    document: Document
    tail: tuple[object, ...] = ()

    @property
    def key(self) -> DocumentKey:
        """What the row is about."""
        return DocumentKey(self.collection, self.id)

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes the document is in, sorted."""
        return tuple(sorted(self.document.scopes))


Row = CounterRow | DocumentRow


def row_to_wire(row: Row) -> list[object]:
    """The array form."""
    if isinstance(row, CounterRow):
        return [_COUNTER, *row[:6], *row.tail]
    document = [list(row.scopes), fields_to_wire(row.document.fields)]
    return [_DOCUMENT, row.collection, row.id, row.hub_seq, *document, *row.tail]


def row_from_wire(value: object) -> Row:
    """Read and check a row.

    Raises:
        ProtocolError: `bad_value`.
    """
    parts = read_list(value, "a row", least=6, most=PARTS_MAX)
    if type(parts[0]) is int:  # False and 0.0 equal 0
        if parts[0] == _COUNTER and len(parts) >= 7:
            return _counter_from_wire(parts)
        if parts[0] == _DOCUMENT:
            return _document_from_wire(parts)
    refuse("a row", "has an unknown form")


def row_bytes(row: Row) -> bytes:
    """The canonical bytes that the digest covers."""
    return pack(row_to_wire(row))


def _counter_from_wire(parts: list[object]) -> CounterRow:
    _, location, sku, lot, account, hub_seq, total = parts[:7]
    return CounterRow(
        Location(check_code(location, "location")),
        Sku(check_code(sku, "sku")),
        Lot("" if lot == "" else check_code(lot, "lot")),
        read_int(account, "account", most=ACCOUNT_MAX),
        HubSeq(read_int(hub_seq, "hub_seq", least=1)),
        read_int(total, "total", least=-INT_MAX),
        _tail(parts[7:]) if len(parts) > 7 else (),
    )


def _document_from_wire(parts: list[object]) -> DocumentRow:
    _, collection, id_, hub_seq, scopes, fields = parts[:6]
    return DocumentRow(
        check_code(collection, "collection", chars_max=NAME_CHARS_MAX),
        check_code(id_, "document id", chars_max=DOCUMENT_ID_CHARS_MAX),
        HubSeq(read_int(hub_seq, "hub_seq", least=1)),
        Document(fields_from_wire(fields), frozenset(scopes_from_wire(scopes))),
        _tail(parts[6:]),
    )


def _tail(parts: list[object]) -> tuple[object, ...]:
    check_plain(parts, "a row's tail")
    return tuple(parts)
